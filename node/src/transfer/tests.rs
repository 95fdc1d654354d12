//! Two nodes' ends over the in-process bus and over a real server, with three engines, and with everything that can go wrong
//! between them.

mod broken;
mod fenced;
mod media;
mod support;
mod whole;
