//! [`Choice`]: an option as it can be set.

use sapwood::RocksDBConfig;

/// A name and the configuration that it stands for.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) name: String,
    pub(super) config: RocksDBConfig,
}

impl Choice {
    pub(super) fn new(name: impl Into<String>, config: RocksDBConfig) -> Self {
        let name = name.into();
        Self { name, config }
    }

    /// The one that the others are compared with.
    pub(super) fn default(name: impl Into<String>, config: RocksDBConfig) -> Self {
        Self::new(format!("{} (default)", name.into()), config)
    }
}

/// The choices, and the first of them once more: what differs between these two is chance.
pub(super) fn with_control(choices: impl IntoIterator<Item = Choice>) -> Vec<Choice> {
    let mut choices: Vec<_> = choices.into_iter().collect();
    let again = choices.first().map(|first| first.config.clone());
    choices.extend(again.map(|config| Choice::new("default again", config)));
    choices
}

pub(super) fn names(choices: &[Choice]) -> Vec<String> {
    choices.iter().map(|choice| choice.name.clone()).collect()
}

/// A size in words.
pub(super) fn size(bytes: usize) -> String {
    if bytes >= 1 << 20 && bytes.is_multiple_of(1 << 20) {
        format!("{} MiB", bytes >> 20)
    } else {
        format!("{} KiB", bytes >> 10)
    }
}

/// The part of their defaults that sizes have where much is written.
pub(super) const PART: usize = 8;

/// The defaults, with all sizes that writes fill cut down.
pub(super) fn small() -> RocksDBConfig {
    let default = RocksDBConfig::default();
    RocksDBConfig {
        write_buffer_size: default.write_buffer_size / PART,
        recent_versions_size: default.recent_versions_size / PART,
        target_file_size: default.target_file_size / PART as u64,
        ..default
    }
}

/// A size of an option, in full, and how much it is here.
pub(super) fn size_in_full(bytes: usize) -> (String, usize) {
    (size(bytes), bytes / PART)
}

/// What the notes say of it.
pub(super) const IN_PART: &str = "All sizes that writes fill are an eighth of what they are called here, with an eighth of the data of a \
     store of that size.";
