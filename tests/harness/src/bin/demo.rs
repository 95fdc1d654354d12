//! The demo: a simulator and `switchboard up`, two numbers paired through the public REST API, text and a picture both
//! ways, the webhooks that arrived, and the messages listed back.

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use switchboard_harness::drivers::{self, Driver, Picture};
use switchboard_harness::simulator::Simulator;
use switchboard_harness::stack::Stack;
use switchboard_harness::webhook::{Call, Receiver};

/// The two numbers of the demo, in the range that is reserved for fiction.
const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";

#[derive(Debug, Parser)]
#[command(about = "Shows text and a picture going both ways between two numbers")]
struct Arguments {
    /// End after the demo instead of leaving everything running
    #[arg(long)]
    once: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments.once).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nthe demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(once: bool) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let simulator = Simulator::start(folder.path(), 1).await?;
    println!("simulator        {}", simulator.url);
    let receiver = Receiver::start().await?;
    let stack = Stack::up(&simulator, Some(receiver.hook("bob"))).await?;
    println!("switchboard up   {}", stack.url);

    let alice = drivers::create("whapi", &stack, "alice").await?;
    let bob = drivers::create("wwebjs", &stack, "bob").await?;
    alice
        .set_webhook(&receiver.hook("alice"))
        .await
        .context("set alice's webhook")?;
    drivers::pair(alice.as_ref(), &simulator, ALICE).await?;
    println!("paired           alice  +{ALICE}  by whapi");
    drivers::pair(bob.as_ref(), &simulator, BOB).await?;
    println!("paired           bob    +{BOB}  by wwebjs");

    let result = talk(&simulator, &receiver, alice.as_ref(), bob.as_ref()).await;
    result.with_context(|| {
        format!(
            "the processes said:\n{}{}",
            stack.output(),
            simulator.program.output()
        )
    })?;
    if once {
        println!("\nthe demo passed");
        return Ok(());
    }
    how_to_go_on(&stack, &simulator);
    tokio::signal::ctrl_c().await?;
    Ok(())
}

async fn talk(
    simulator: &Simulator,
    receiver: &Receiver,
    alice: &dyn Driver,
    bob: &dyn Driver,
) -> Result<()> {
    let picture = sample_picture()?;

    alice.send_text(BOB, "hello bob").await?;
    let call = hears(receiver, bob, "bob", ALICE, "hello bob").await?;
    show("alice -> bob text", &call);
    simulator
        .inbox_has(BOB, "the text on bob's phone", |item| {
            item["text"] == "hello bob"
        })
        .await?;

    bob.send_text(ALICE, "hello alice").await?;
    let call = hears(receiver, alice, "alice", BOB, "hello alice").await?;
    show("bob -> alice text", &call);

    let sent = alice
        .send_picture(BOB, Picture::Base64(picture.clone()), "from alice")
        .await?;
    ensure!(sent, "whapi takes pictures as base64");
    let call = receiver
        .got("bob", "the picture with its bytes", |call| {
            bob.heard(call)
                .iter()
                .any(|h| h.has_file && h.from == ALICE)
        })
        .await?;
    show("alice -> bob picture", &call);

    let link = receiver.serve_file("sample.png", picture.clone().into());
    ensure!(
        bob.send_picture(ALICE, Picture::Url(link), "from bob")
            .await?,
        "wwebjs takes pictures by address"
    );
    let call = receiver
        .got("alice", "the picture with its link", |call| {
            alice
                .heard(call)
                .iter()
                .any(|h| h.link.is_some() && h.from == BOB)
        })
        .await?;
    show("bob -> alice picture", &call);
    let link = alice
        .heard(&call)
        .into_iter()
        .find_map(|h| h.link)
        .context("no link")?;
    let fetched = switchboard_harness::http::client()
        .get(&link)
        .send()
        .await?
        .error_for_status()?
        .bytes()
        .await?;
    ensure!(
        fetched == picture,
        "the picture changed on its way: {} of {} bytes",
        fetched.len(),
        picture.len()
    );
    println!(
        "fetched          {} bytes from the link in alice's webhook, unchanged",
        fetched.len()
    );

    receiver
        .got("alice", "a delivery", |call| alice.tells_delivery(call))
        .await?;
    receiver
        .got("bob", "a delivery", |call| bob.tells_delivery(call))
        .await?;
    println!("deliveries       told at both webhooks");

    for (driver, name, other) in [(alice, "alice", BOB), (bob, "bob", ALICE)] {
        let texts = driver
            .list(other)
            .await?
            .context("that system lists messages")?;
        for text in ["hello bob", "hello alice"] {
            ensure!(
                texts.iter().any(|t| t == text),
                "{text:?} is not in {name}'s list: {texts:?}"
            );
        }
        println!("listed           {name} sees {texts:?}");
    }
    Ok(())
}

async fn hears(
    receiver: &Receiver,
    driver: &dyn Driver,
    name: &str,
    from: &str,
    text: &str,
) -> Result<Call> {
    receiver
        .got(name, text, |call| {
            driver
                .heard(call)
                .iter()
                .any(|heard| heard.from == from && heard.text.as_deref() == Some(text))
        })
        .await
}

fn show(what: &str, call: &Call) {
    let body = String::from_utf8_lossy(&call.body);
    let short: String = body.chars().take(160).collect();
    println!(
        "webhook          {what}: {short}{}",
        if short.len() < body.len() { " …" } else { "" }
    );
}

/// A small picture, drawn here so that nothing needs to be fetched.
fn sample_picture() -> Result<Vec<u8>> {
    let picture = image::RgbImage::from_fn(64, 64, |x, y| {
        let (red, green) = (
            u8::try_from(x * 4).unwrap_or(255),
            u8::try_from(y * 4).unwrap_or(255),
        );
        image::Rgb([red, green, 128])
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

fn how_to_go_on(stack: &Stack, simulator: &Simulator) {
    println!(
        "\nEverything keeps running until ctrl-c. Go on with:\n\
         \n  export URL={url} KEY={key} ADMIN={admin} SIM={sim}\
         \n  curl -s $URL/client/sendMessage/bob -H \"x-api-key: $KEY\" -H 'content-type: application/json' \\\
         \n    -d '{{\"chatId\":\"{ALICE}@c.us\",\"contentType\":\"string\",\"content\":\"hi\"}}'\
         \n  curl -s $SIM/admin/phones/{ALICE}/inbox\
         \n  curl -s $URL/admin/v1/sessions -H \"authorization: Bearer $ADMIN\"",
        url = stack.url,
        key = stack.tenant_key,
        admin = stack.admin_key(),
        sim = simulator.url,
    );
}
