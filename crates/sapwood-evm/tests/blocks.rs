//! Blocks that the official tests do not have: contracts that go and come back, a beneficiary that is a party,
//! the system's calls, and what is refused.

#[path = "blocks/bad_input.rs"]
mod bad_input;
#[path = "blocks/beneficiary.rs"]
mod beneficiary;
#[path = "blocks/calls.rs"]
mod calls;
#[path = "blocks/support.rs"]
mod support;
#[path = "blocks/system.rs"]
mod system;
#[path = "blocks/wiped.rs"]
mod wiped;
