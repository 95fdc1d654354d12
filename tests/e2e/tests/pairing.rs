//! Ways into a session: codes typed on the phone, and the QR code that the operator's terminal draws.

#![expect(
    clippy::indexing_slicing,
    reason = "test code: a wrong index should stop the test"
)]

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use switchboard_e2e::World;
use switchboard_harness::drivers::{self, connected, read_qr};
use switchboard_harness::processes::{Program, command};
use switchboard_harness::wait;

#[tokio::test(flavor = "multi_thread")]
async fn codes_typed_on_the_phone() -> Result<()> {
    let world = World::start(13, "unused").await?;
    let mut with_codes = 0;
    for (at, dialect) in drivers::NAMES.into_iter().enumerate() {
        let number = format!("1555011300{at}");
        let result = async {
            let driver = drivers::create(dialect, &world.stack, &format!("{dialect}-code")).await?;
            driver.start().await?;
            let Some(code) = driver.pairing_code(&number).await? else {
                return Ok(false);
            };
            world.simulator.enter_code(&number, &code).await?;
            connected(driver.as_ref()).await?;
            Ok(true)
        };
        with_codes += usize::from(world.explain(result.await).with_context(|| dialect)?);
    }
    ensure!(
        with_codes == 3,
        "whapi, wapi and wuzapi have pairing codes, {with_codes} worked"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_terminal_draws_a_code_that_scans() -> Result<()> {
    let world = World::start(17, "unused").await?;
    world.stack.create_session("terminal").await?;
    let mut pair = command("switchboard", world.folder())?;
    pair.args([
        "admin",
        "--url",
        &world.stack.url,
        "--admin-key",
        world.stack.admin_key(),
        "pair",
        "terminal",
    ]);
    let mut pair = Program::start("pair", pair, "On the phone:").await?;
    let picture = wait::until("a code that a camera can read", async || {
        draw(&pair.output())
            .and_then(|png| read_qr(&png))
            .map_err(|e| format!("{e:#}"))
    })
    .await?;
    world.explain(world.simulator.scan(&picture, "15550114001").await)?;
    wait::until("the command to end", async || {
        if pair.is_running() {
            Err("running")
        } else {
            Ok(())
        }
    })
    .await?;
    ensure!(
        pair.output()
            .contains("terminal is connected as +15550114001"),
        "it said:\n{}",
        pair.output()
    );
    Ok(())
}

/// The last block drawing of a terminal's output as a PNG picture: each character is two pixels, one above the other.
fn draw(output: &str) -> Result<Vec<u8>> {
    const SCALE: u32 = 4;
    let blocks: BTreeMap<char, [bool; 2]> = [
        (' ', [false, false]),
        ('\u{2580}', [true, false]),
        ('\u{2584}', [false, true]),
        ('\u{2588}', [true, true]),
    ]
    .into();
    let lines = output
        .lines()
        .filter_map(|line| line.split_once("] ").map(|(_, text)| text));
    let rows: Vec<Vec<[bool; 2]>> = lines
        .filter(|line| line.chars().count() > 20 && line.chars().all(|c| blocks.contains_key(&c)))
        .map(|line| line.chars().map(|c| blocks[&c]).collect())
        .collect();
    let width = rows
        .iter()
        .map(Vec::len)
        .max()
        .context("nothing is drawn yet")?;
    let (width, height) = (u32::try_from(width)?, u32::try_from(rows.len() * 2)?);
    // A terminal is dark: block characters are its light pixels.
    let picture = image::GrayImage::from_fn(width * SCALE, height * SCALE, |x, y| {
        let (x, y) = ((x / SCALE) as usize, (y / SCALE) as usize);
        let lit = rows
            .get(y / 2)
            .and_then(|row| row.get(x))
            .is_some_and(|pair| pair[y % 2]);
        image::Luma([if lit { 255 } else { 0 }])
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png)?;
    Ok(bytes.into_inner())
}
