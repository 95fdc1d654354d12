//! This node's part in the cluster: the driver of the ownership machine, the gates of its lives, and the witness.
