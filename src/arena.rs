//! [`Arena`]: small byte strings, copied into blocks of memory that they share.
//!
//! Taking and giving back memory for each would cost more than the copy, and where one thread gives back
//! what another took, they wait for each other. A block is given back with the last string in it.

use bytes::{Bytes, BytesMut};

/// Strings of more than this part of a block have memory of their own: what is left of a block is lost when
/// a string does not fit.
const PART: usize = 64;

/// Copies strings into blocks of so many bytes. The first ones may be smaller: then each is twice the one before, and no
/// more than half of what is taken is left over.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arena<const BLOCK_BYTES: usize, const FIRST_BYTES: usize = BLOCK_BYTES> {
    block: BytesMut,
    /// The size of the last block.
    block_bytes: usize,
}

impl<const BLOCK_BYTES: usize, const FIRST_BYTES: usize> Arena<BLOCK_BYTES, FIRST_BYTES> {
    const COPIED_BYTES: usize = BLOCK_BYTES / PART;

    pub(crate) fn copy(&mut self, bytes: &[u8]) -> Bytes {
        if bytes.len() > Self::COPIED_BYTES {
            return Bytes::copy_from_slice(bytes);
        }
        if self.block.capacity() < bytes.len() {
            let doubled = (2 * self.block_bytes).clamp(FIRST_BYTES, BLOCK_BYTES);
            self.block_bytes = doubled.max(bytes.len());
            self.block = BytesMut::with_capacity(self.block_bytes);
        }
        self.block.extend_from_slice(bytes);
        self.block.split().freeze()
    }

    /// The same for what can be shared: where it is long, it is.
    pub(crate) fn keep(&mut self, bytes: &Bytes) -> Bytes {
        if bytes.len() > Self::COPIED_BYTES {
            bytes.clone()
        } else {
            self.copy(bytes)
        }
    }

    /// What does not hold a block, of a string from one.
    pub(crate) fn apart(bytes: &Bytes) -> Bytes {
        if bytes.len() > Self::COPIED_BYTES {
            bytes.clone()
        } else {
            Bytes::copy_from_slice(bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_lie_side_by_side_in_blocks_unless_they_are_long() {
        let mut arena = Arena::<128>::default();
        let strings: Vec<_> = (0..200_u8).map(|byte| arena.copy(&[byte, byte])).collect();
        for (byte, string) in (0..).zip(&strings) {
            assert_eq!(string, &[byte, byte][..]);
        }
        let is_beside = |pair: &[Bytes]| pair[0].as_ptr_range().end == pair[1].as_ptr();
        for block in strings.chunks_exact(64) {
            assert!(block.windows(2).all(is_beside));
        }
        assert_eq!(arena.copy(b""), Bytes::new());
        let (short, long) = (Bytes::from_static(b"s"), Bytes::from_static(b"long"));
        assert_ne!(arena.keep(&short).as_ptr(), short.as_ptr());
        assert_eq!(arena.keep(&long).as_ptr(), long.as_ptr());
        assert_eq!(arena.copy(&long), long);
        let pair = [arena.copy(b"a"), {
            arena.copy(&long);
            arena.copy(b"b")
        }];
        assert!(is_beside(&pair), "long ones have memory of their own");
        let apart = pair.each_ref().map(Arena::<128>::apart);
        assert_eq!(apart, pair);
        assert_ne!(apart[0].as_ptr(), pair[0].as_ptr());
    }

    #[test]
    fn blocks_grow_from_the_first_to_the_largest() {
        let mut arena = Arena::<1024, 32>::default();
        let mut sizes = Vec::new();
        for byte in 0..=255 {
            assert_eq!(arena.copy(&[byte; 16]), [byte; 16][..]);
            if sizes.last() != Some(&arena.block_bytes) {
                sizes.push(arena.block_bytes);
            }
        }
        assert_eq!(sizes, [32, 64, 128, 256, 512, 1024]);
    }
}
