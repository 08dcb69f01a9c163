//! Git repositories made for tests, the same on every machine.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

/// A checkout in a temporary directory.
#[derive(Debug)]
pub(crate) struct Repository {
    directory: tempfile::TempDir,
}

impl Repository {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let repository = Self { directory };
        repository.git(["init", "--quiet", "--template="]);
        repository.git(["symbolic-ref", "HEAD", "refs/heads/main"]);
        repository
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Runs git and gives its output.
    pub(crate) fn git<I: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Vec<u8> {
        let mut command = Command::new("git");
        command.current_dir(self.path()).args(arguments);
        for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            command.env_remove(variable);
        }
        command
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Test");
            command.env(format!("GIT_{who}_EMAIL"), "test@example.org");
            command.env(format!("GIT_{who}_DATE"), "1600000000 +0000");
        }
        let output = command.output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{complaint}");
        output.stdout
    }

    /// Writes a file, over whatever is in its way.
    pub(crate) fn write(&self, path: impl AsRef<Path>, text: &str) {
        let path = self.path().join(path);
        if path.is_dir() {
            std::fs::remove_dir_all(&path).unwrap();
        }
        let above = path.parent().unwrap();
        if above.is_file() {
            std::fs::remove_file(above).unwrap();
        }
        std::fs::create_dir_all(above).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Removes a file or directory.
    pub(crate) fn remove(&self, path: &str) {
        let path = self.path().join(path);
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        } else {
            std::fs::remove_file(path).unwrap();
        }
    }

    /// Commits all that changed, or nothing.
    pub(crate) fn commit(&self) {
        self.git(["add", "--all"]);
        self.commit_index();
    }

    /// Commits what was put into the index.
    pub(crate) fn commit_index(&self) {
        self.git([
            "commit",
            "--quiet",
            "--allow-empty",
            "-m",
            "a change\n\nC 1 2\n:100644",
        ]);
    }

    /// The ids of the first-parent commits, oldest first.
    pub(crate) fn commits(&self) -> Vec<String> {
        let ids = self.git(["rev-list", "--first-parent", "--reverse", "HEAD"]);
        String::from_utf8(ids)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// The tree of a commit, as git lists it: paths and object ids.
    pub(crate) fn tree(&self, commit: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
        let listed = self.git(["ls-tree", "-r", "-z", "--full-tree", commit]);
        let entries = listed
            .split(|byte| *byte == 0)
            .filter(|entry| !entry.is_empty());
        let mut tree: Vec<_> = entries
            .map(|entry| {
                let tab = entry.iter().position(|byte| *byte == b'\t').unwrap();
                let id = entry[..tab].rsplit(|byte| *byte == b' ').next().unwrap();
                (entry[tab + 1..].to_vec(), id.to_vec())
            })
            .collect();
        tree.sort();
        tree
    }
}

/// A repository with all that makes a history hard to read.
pub(crate) fn difficult() -> Repository {
    let repository = Repository::new();
    repository.commit(); // nothing yet
    repository.write("a", "1\n2\n3\n4\n");
    repository.write("dir/b", "b");
    repository.write("dir/sub/c", "c");
    repository.write("with space/\"quoted\" \u{e9}\n\t\\", "odd");
    repository.commit();
    repository.commit(); // nothing changed
    repository.git(["mv", "a", "renamed"]);
    repository.commit();
    mode_and_type(&repository);
    links(&repository);
    merges(&repository);
    // A file becomes a directory, and a directory a file.
    repository.remove("renamed");
    repository.write("renamed/inner", "now a directory");
    repository.write("dir", "now a file");
    repository.commit();
    repository.write("dir/b", "b");
    repository.commit();
    for path in ["renamed", "dir", "with space"] {
        repository.remove(path);
    }
    repository.commit();
    repository.write("a", "1\n2\n3\n4\n"); // as it was
    repository.commit();
    repository
}

fn mode_and_type(repository: &Repository) {
    repository.git(["update-index", "--chmod=+x", "dir/b"]);
    repository.commit_index();
    let id = repository.git(["rev-parse", "HEAD:dir/b"]);
    let id = String::from_utf8(id).unwrap();
    // The same object, as a symbolic link.
    let entry = format!("120000,{},dir/b", id.trim());
    repository.git(["update-index", "--cacheinfo", &entry]);
    repository.commit_index();
    repository.git(["checkout", "--quiet", "HEAD", "--", "."]);
    add_odd_bytes(repository);
}

/// A name that is not UTF-8, where the file system takes it.
fn add_odd_bytes(repository: &Repository) {
    use std::os::unix::ffi::OsStrExt;
    let path = repository
        .path()
        .join(PathBuf::from(OsStr::from_bytes(b"odd\xff\xc3bytes")));
    if std::fs::write(path, "odd").is_ok() {
        repository.commit();
    }
}

fn links(repository: &Repository) {
    let first = repository.commits().remove(0);
    repository.write(
        ".gitmodules",
        "[submodule \"m\"]\n\tpath = m\n\turl = ./m\n\tignore = all\n",
    );
    for commit in [first, "1".repeat(40)] {
        let entry = format!("160000,{commit},m");
        repository.git(["update-index", "--add", "--cacheinfo", &entry]);
        repository.git(["add", ".gitmodules"]);
        repository.commit_index();
    }
    repository.git(["update-index", "--force-remove", "m"]);
    repository.commit_index();
}

fn merges(repository: &Repository) {
    repository.git(["checkout", "--quiet", "-b", "side"]);
    repository.write("side/one", "1");
    repository.commit();
    repository.write("side/two", "2");
    repository.commit();
    repository.git(["checkout", "--quiet", "main"]);
    repository.write("main", "m");
    repository.commit();
    repository.git(["merge", "--quiet", "--no-ff", "-m", "merge", "side"]);
    repository.write("after", "the merge");
    repository.commit();
}
