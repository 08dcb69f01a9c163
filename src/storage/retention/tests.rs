//! Tests of keeping to a policy.
