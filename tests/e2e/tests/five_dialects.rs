//! One scenario per system over a real nats-server, a router and two nodes: what is sent through it is decrypted by another
//! client and by a phone, and the answer arrives in that system's own webhook.

use anyhow::{Context, Result, ensure};
use switchboard_e2e::{World, id_on, picture};
use switchboard_harness::drivers::{Driver, Picture};

const OWN: &str = "15550111001";
const PEER: &str = "15550111002";

/// Runs the scenario with the session under test on one node and its partner, driven by another system, on the other.
async fn scenario(dialect: &str, partner: &str) -> Result<()> {
    let own_id = id_on("node-1", dialect)?;
    let peer_id = id_on("node-2", "peer")?;
    let hooks = if partner == "wwebjs" {
        &peer_id
    } else {
        &own_id
    };
    let world = World::start(7, hooks).await?;
    let result = talk(&world, dialect, partner, &own_id, &peer_id).await;
    world.explain(result)
}

async fn talk(
    world: &World,
    dialect: &str,
    partner: &str,
    own_id: &str,
    peer_id: &str,
) -> Result<()> {
    let own = world.paired(dialect, own_id, OWN).await?;
    let peer = world.paired(partner, peer_id, PEER).await?;
    texts(world, own.as_ref(), own_id, peer.as_ref(), peer_id).await?;
    pictures(world, own.as_ref(), own_id, peer.as_ref()).await?;
    if let Some(listed) = own.list(PEER).await? {
        for text in ["out by api", "back by api", "from the phone"] {
            ensure!(
                listed.iter().any(|t| t == text),
                "{text:?} is not listed: {listed:?}"
            );
        }
    }
    for (id, node) in [(own_id, "node-1"), (peer_id, "node-2")] {
        let session = world.stack.session(id).await?;
        ensure!(
            session.to_string().contains(node),
            "{id} does not run on {node}: {session}"
        );
    }
    own.logout().await.context("log out")?;
    ensure!(
        !own.is_connected().await.unwrap_or(false),
        "still connected after the log-out"
    );
    Ok(())
}

async fn texts(
    world: &World,
    own: &dyn Driver,
    own_id: &str,
    peer: &dyn Driver,
    peer_id: &str,
) -> Result<()> {
    own.send_text(PEER, "out by api")
        .await
        .context("send a text")?;
    world
        .simulator
        .inbox_has(PEER, "the text on the partner's phone", |m| {
            m["text"] == "out by api"
        })
        .await?;
    hears(world, peer, peer_id, OWN, "out by api").await?;
    world
        .receiver
        .got(own_id, "a delivery", |call| own.tells_delivery(call))
        .await?;

    peer.send_text(OWN, "back by api").await.context("answer")?;
    hears(world, own, own_id, PEER, "back by api").await?;
    world
        .simulator
        .phone_sends(PEER, OWN, "from the phone")
        .await?;
    hears(world, own, own_id, PEER, "from the phone").await
}

async fn hears(
    world: &World,
    driver: &dyn Driver,
    hook: &str,
    from: &str,
    text: &str,
) -> Result<()> {
    let fits = |heard: &switchboard_harness::drivers::Heard| {
        heard.from == from && heard.text.as_deref() == Some(text)
    };
    world
        .receiver
        .got(hook, text, |call| driver.heard(call).iter().any(fits))
        .await
        .map(drop)
}

/// Every form of picture that system takes out, one in.
async fn pictures(world: &World, own: &dyn Driver, own_id: &str, peer: &dyn Driver) -> Result<()> {
    let link = world.receiver.serve_file("picture.png", picture(1)?.into());
    let forms = [
        Picture::Url(link),
        Picture::Base64(picture(2)?),
        Picture::Upload(picture(3)?),
    ];
    let mut taken = 0;
    for (at, form) in forms.into_iter().enumerate() {
        let caption = format!("picture {at}");
        if own
            .send_picture(PEER, form, &caption)
            .await
            .with_context(|| caption.clone())?
        {
            taken += 1;
            let what = "the picture on the partner's phone";
            world
                .simulator
                .inbox_has(PEER, what, |m| {
                    m["kind"] == "image" && m["text"] == *caption
                })
                .await?;
        }
    }
    ensure!(taken > 0, "the system takes no form of picture");

    let given = picture(4)?;
    ensure!(
        send_any(world, peer, &given).await?,
        "the partner takes no form of picture"
    );
    let call = world
        .receiver
        .got(own_id, "the partner's picture", |call| {
            own.heard(call)
                .iter()
                .any(|h| h.has_file || h.link.is_some())
        })
        .await?;
    let Some(link) = own.heard(&call).into_iter().find_map(|h| h.link) else {
        return Ok(());
    };
    if own.name() == "wapi" {
        return Ok(()); // That link wants the session's token; the conformance cases cover it.
    }
    let fetched = switchboard_harness::http::client()
        .get(&link)
        .send()
        .await?
        .error_for_status()?
        .bytes()
        .await?;
    ensure!(fetched == given, "the picture changed on its way");
    Ok(())
}

async fn send_any(world: &World, peer: &dyn Driver, bytes: &[u8]) -> Result<bool> {
    if peer
        .send_picture(OWN, Picture::Base64(bytes.to_owned()), "in")
        .await?
    {
        return Ok(true);
    }
    let link = world.receiver.serve_file("in.png", bytes.to_owned().into());
    peer.send_picture(OWN, Picture::Url(link), "in").await
}

#[tokio::test(flavor = "multi_thread")]
async fn whapi() -> Result<()> {
    scenario("whapi", "wuzapi").await
}

#[tokio::test(flavor = "multi_thread")]
async fn wapi() -> Result<()> {
    scenario("wapi", "chatapi").await
}

#[tokio::test(flavor = "multi_thread")]
async fn chatapi() -> Result<()> {
    scenario("chatapi", "wwebjs").await
}

#[tokio::test(flavor = "multi_thread")]
async fn wuzapi() -> Result<()> {
    scenario("wuzapi", "whapi").await
}

#[tokio::test(flavor = "multi_thread")]
async fn wwebjs() -> Result<()> {
    scenario("wwebjs", "wapi").await
}
