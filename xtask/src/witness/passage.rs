//! The suite's way to the outside: a proxy that leads every connection to the simulator. The suite asks web.whatsapp.com for
//! the current version of the web client before it connects, and no test may depend on that host.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

use anyhow::{Context, Result};

/// Longest request for a connection, in lines.
const HEADER_LINES_MAX: usize = 64;

/// Opens the passage on a free port of loopback. It serves until the process ends.
pub(super) fn open(simulator: SocketAddr) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("bind the proxy")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                // Whoever asked sees the connection end, which is all there is to tell.
                let _ = lead(stream, simulator);
            });
        }
    });
    Ok(address)
}

/// Takes one `CONNECT` and copies both ways.
fn lead(stream: TcpStream, simulator: SocketAddr) -> Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    for _ in 0..HEADER_LINES_MAX {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
    }
    let mut inside = TcpStream::connect(simulator)?;
    let mut outside = stream;
    outside.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut from_inside, mut to_outside) = (inside.try_clone()?, outside.try_clone()?);
    let back = std::thread::spawn(move || {
        let copied = std::io::copy(&mut from_inside, &mut to_outside);
        let _ = to_outside.shutdown(Shutdown::Write);
        copied
    });
    std::io::copy(&mut reader, &mut inside)?;
    inside.shutdown(Shutdown::Write)?;
    let _ = back.join();
    Ok(())
}
