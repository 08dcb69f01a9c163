//! The protocols of the bell and the gate, under loom.
