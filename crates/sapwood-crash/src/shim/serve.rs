//! The disk as the kernel asks for it (FUSE).

use std::{
    ffi::OsStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use super::disk::Disk;

/// The kernel asks anew each time: what it holds would hide what a failed call has left.
const NO_TIME: Duration = Duration::ZERO;
const BLOCK: u32 = 4096;
/// What is said to be free, in blocks.
const FREE: u64 = 1 << 20;
/// Keeps the length when room is set aside.
const KEEP_SIZE: i32 = 1;

/// A disk that the kernel asks and others look at.
#[derive(Clone, Debug)]
pub(crate) struct Served(Arc<Mutex<Disk>>);

impl Served {
    pub(crate) fn new(disk: Disk) -> Self {
        Self(Arc::new(Mutex::new(disk)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn attributes(disk: &Disk, node: u64) -> Result<FileAttr, Errno> {
    let kind = disk.kind(node)?;
    let time = SystemTime::UNIX_EPOCH;
    Ok(FileAttr {
        ino: INodeNo(node),
        size: kind.length,
        blocks: kind.length.div_ceil(512),
        atime: time,
        mtime: time,
        ctime: time,
        crtime: time,
        kind: file_type(kind.is_directory),
        perm: if kind.is_directory { 0o755 } else { 0o644 },
        nlink: kind.links,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: BLOCK,
        flags: 0,
    })
}

fn file_type(is_directory: bool) -> FileType {
    if is_directory {
        FileType::Directory
    } else {
        FileType::RegularFile
    }
}

fn entry(reply: ReplyEntry, disk: &mut Disk, node: Result<u64, Errno>) {
    match node.and_then(|node| attributes(disk, node)) {
        Ok(attributes) => {
            disk.hold(attributes.ino.0);
            reply.entry(&NO_TIME, &attributes, Generation(0));
        }
        Err(error) => reply.error(error),
    }
}

fn empty(reply: ReplyEmpty, done: Result<(), Errno>) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

impl Filesystem for Served {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let disk = &mut *self.lock();
        let node = disk.look_up(parent.0, name);
        entry(reply, disk, node);
    }

    fn forget(&self, _: &Request, node: INodeNo, times: u64) {
        self.lock().release(node.0, times);
    }

    fn getattr(&self, _: &Request, node: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match attributes(&self.lock(), node.0) {
            Ok(attributes) => reply.attr(&NO_TIME, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        node: INodeNo,
        _mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let disk = &mut *self.lock();
        let done = size.map_or(Ok(()), |size| disk.set_length(node.0, size));
        match done.and_then(|()| attributes(disk, node.0)) {
            Ok(attributes) => reply.attr(&NO_TIME, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn mkdir(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        let disk = &mut *self.lock();
        let node = disk.make(parent.0, name, true);
        entry(reply, disk, node);
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        let disk = &mut *self.lock();
        let node = disk.make(parent.0, name, false);
        match node.and_then(|node| attributes(disk, node)) {
            Ok(attributes) => {
                disk.hold(attributes.ino.0);
                let nothing = FopenFlags::empty();
                reply.created(&NO_TIME, &attributes, Generation(0), FileHandle(0), nothing);
            }
            Err(error) => reply.error(error),
        }
    }

    fn link(&self, _: &Request, node: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let disk = &mut *self.lock();
        let done = disk.link(node.0, parent.0, name);
        entry(reply, disk, done.map(|()| node.0));
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        empty(reply, self.lock().remove(parent.0, name, false));
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        empty(reply, self.lock().remove(parent.0, name, true));
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let keeps_other = flags == RenameFlags::RENAME_NOREPLACE;
        if !keeps_other && !flags.is_empty() {
            return reply.error(Errno::EINVAL);
        }
        let (from, to) = ((parent.0, name), (new_parent.0, new_name));
        empty(reply, self.lock().rename(from, to, keeps_other));
    }

    fn read(
        &self,
        _: &Request,
        node: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.lock().read(node.0, offset, size) {
            Ok(bytes) => reply.data(bytes),
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        _: &Request,
        node: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.lock().write(node.0, offset, data) {
            Ok(count) => reply.written(count),
            Err(error) => reply.error(error),
        }
    }

    fn flush(&self, _: &Request, _node: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(
        &self,
        _: &Request,
        node: INodeNo,
        _: FileHandle,
        _data_only: bool,
        reply: ReplyEmpty,
    ) {
        empty(reply, self.lock().sync(node.0));
    }

    fn fsyncdir(
        &self,
        _: &Request,
        node: INodeNo,
        _: FileHandle,
        _data_only: bool,
        reply: ReplyEmpty,
    ) {
        empty(reply, self.lock().sync(node.0));
    }

    fn readdir(
        &self,
        _: &Request,
        node: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let disk = self.lock();
        let entries = match disk.list(node.0) {
            Ok(entries) => entries,
            Err(error) => return reply.error(error),
        };
        // By number, which stays the same while others come and go.
        let mut entries: Vec<_> = entries.filter(|(_, node)| *node > offset).collect();
        entries.sort_unstable_by_key(|(_, node)| *node);
        for (name, node) in entries {
            let is_directory = disk.kind(node).is_ok_and(|kind| kind.is_directory);
            if reply.add(INodeNo(node), node, file_type(is_directory), name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _: &Request, _node: INodeNo, reply: ReplyStatfs) {
        reply.statfs(2 * FREE, FREE, FREE, FREE, FREE, BLOCK, 255, BLOCK);
    }

    fn fallocate(
        &self,
        _: &Request,
        _node: INodeNo,
        _: FileHandle,
        _offset: u64,
        _length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        // Room that is set aside changes nothing here.
        if mode == KEEP_SIZE {
            reply.ok();
        } else {
            reply.error(Errno::EOPNOTSUPP);
        }
    }
}
