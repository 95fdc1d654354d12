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

    let scene = Scene {
        simulator: &simulator,
        receiver: &receiver,
        alice: alice.as_ref(),
        bob: bob.as_ref(),
    };
    let result = talk(&scene).await;
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

/// Who takes part.
struct Scene<'a> {
    simulator: &'a Simulator,
    receiver: &'a Receiver,
    alice: &'a dyn Driver,
    bob: &'a dyn Driver,
}

async fn talk(scene: &Scene<'_>) -> Result<()> {
    texts(scene).await?;
    let picture = sample_picture()?;
    picture_out(scene, &picture).await?;
    picture_back(scene, &picture).await?;
    deliveries(scene).await?;
    lists(scene).await
}

async fn texts(scene: &Scene<'_>) -> Result<()> {
    let Scene {
        simulator,
        receiver,
        alice,
        bob,
    } = *scene;
    alice.send_text(BOB, "hello bob").await?;
    let call = hears(receiver, bob, "bob", ALICE, "hello bob").await?;
    show("alice -> bob text", &call);
    let on_the_phone = |item: &serde_json::Value| item["text"] == "hello bob";
    simulator
        .inbox_has(BOB, "the text on bob's phone", on_the_phone)
        .await?;
    bob.send_text(ALICE, "hello alice").await?;
    let call = hears(receiver, alice, "alice", BOB, "hello alice").await?;
    show("bob -> alice text", &call);
    Ok(())
}

async fn picture_out(scene: &Scene<'_>, picture: &[u8]) -> Result<()> {
    let Scene {
        receiver,
        alice,
        bob,
        ..
    } = *scene;
    let form = Picture::Base64(picture.to_owned());
    let sent = alice.send_picture(BOB, form, "from alice").await?;
    ensure!(sent, "whapi takes pictures as base64");
    let with_file = |call: &Call| {
        bob.heard(call)
            .iter()
            .any(|h| h.has_file && h.from == ALICE)
    };
    let call = receiver
        .got("bob", "the picture with its bytes", with_file)
        .await?;
    show("alice -> bob picture", &call);
    Ok(())
}

async fn picture_back(scene: &Scene<'_>, picture: &[u8]) -> Result<()> {
    let Scene {
        receiver,
        alice,
        bob,
        ..
    } = *scene;
    let form = Picture::Url(receiver.serve_file("sample.png", picture.to_owned().into()));
    let sent = bob.send_picture(ALICE, form, "from bob").await?;
    ensure!(sent, "wwebjs takes pictures by address");
    let with_link = |call: &Call| {
        alice
            .heard(call)
            .iter()
            .any(|h| h.link.is_some() && h.from == BOB)
    };
    let call = receiver
        .got("alice", "the picture with its link", with_link)
        .await?;
    show("bob -> alice picture", &call);
    let link = alice
        .heard(&call)
        .into_iter()
        .find_map(|h| h.link)
        .context("no link")?;
    let answer = switchboard_harness::http::client()
        .get(&link)
        .send()
        .await?
        .error_for_status()?;
    let fetched = answer.bytes().await?;
    let (got, want) = (fetched.len(), picture.len());
    ensure!(
        fetched == picture,
        "the picture changed on its way: {got} of {want} bytes"
    );
    println!("fetched          {got} bytes from the link in alice's webhook, unchanged");
    Ok(())
}

async fn deliveries(scene: &Scene<'_>) -> Result<()> {
    let Scene {
        receiver,
        alice,
        bob,
        ..
    } = *scene;
    receiver
        .got("alice", "a delivery", |call| alice.tells_delivery(call))
        .await?;
    receiver
        .got("bob", "a delivery", |call| bob.tells_delivery(call))
        .await?;
    println!("deliveries       told at both webhooks");
    Ok(())
}

async fn lists(scene: &Scene<'_>) -> Result<()> {
    for (driver, name, other) in [(scene.alice, "alice", BOB), (scene.bob, "bob", ALICE)] {
        let texts = driver
            .list(other)
            .await?
            .context("that system lists messages")?;
        for text in ["hello bob", "hello alice"] {
            let there = texts.iter().any(|t| t == text);
            ensure!(there, "{text:?} is not in {name}'s list: {texts:?}");
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
