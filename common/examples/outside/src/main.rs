//! The least that a program needs: an actor, a broker, a message, and a worker that runs it.

use common::{actor, actors, broker::Broker, worker::Worker};

#[actor]
fn greet(name: String) {
    println!("Hello, {name}!");
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let broker = Broker::connect("memory:").await?;
    greet::send(&broker, "world").await?;
    Worker::new(broker).actors(actors![greet]).run_until_idle().await?;
    Ok(())
}
