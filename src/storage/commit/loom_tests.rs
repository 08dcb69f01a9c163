//! The hand-off of the turn to commit, under the model checker.
