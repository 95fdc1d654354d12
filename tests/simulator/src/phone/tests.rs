//! Witnesses for the phone double.
