//! Redis in a container that ends by itself.

use super::image::{self, Engine};
use std::thread;
use testcontainers::{
    ContainerAsync, GenericImage, ImageExt, TestcontainersError,
    core::{IntoContainerPort, WaitFor},
    runners::AsyncRunner,
};

/// The container's command. It starts the server, looks twice a second whether a connection named `kit` is there, and ends
/// after four looks in a row without (24 at first: on a busy machine the test process takes a while to connect). The engine
/// then removes it.
///
/// A look that brings no list (the server is busy or full) proves nothing and counts for nothing, as long as the server lives.
/// Where the image has no redis-cli, its `sh` is bash, which can speak TCP by itself.
const WATCH: &str = r#"
redis-server --save "" --protected-mode no &
server=$!
trap 'exit 0' TERM INT
clients() {
    if command -v redis-cli >/dev/null; then redis-cli client list
    else exec 3<>/dev/tcp/127.0.0.1/6379 && printf 'CLIENT LIST\r\nQUIT\r\n' >&3 && cat <&3
    fi
}
missed=-20
while [ $missed -lt 4 ] && kill -0 $server && { sleep 0.5 || sleep 1; }; do
    case "$(clients 2>/dev/null)" in
        *" name=kit "*) missed=0 ;;
        *" name="*) missed=$((missed + 1)) ;;
    esac
done
"#;

/// By this label a person, or a script, finds what these tests started.
const LABEL: (&str, &str) = ("dramatiq-lab.tests", "redis");

/// A Redis in a running container.
pub(super) struct Found {
    pub(super) id: String,
    pub(super) image: String,
    pub(super) url: String,
}

/// Starts a container, from the first image that can be had.
pub(super) fn start() -> Result<Found, String> {
    // A thread of its own: a test may be inside a runtime, where another one can't be entered.
    let started = thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|error| error.to_string())?.block_on(start_here())
    });
    started.join().unwrap_or_else(|panic| Err(super::reason(Some(panic))))
}

async fn start_here() -> Result<Found, String> {
    let engine = Engine::connect().await?;
    let wanted = image::wanted();
    let image = match image::local(&engine, &wanted).await? {
        Some(image) => image,
        // The start pulls what isn't there.
        None => match run(&wanted).await {
            Ok(found) => return Ok(found),
            Err(error) => image::make(&engine).await.map_err(|made| {
                format!(
                    "the image {wanted} is neither here nor can it be pulled ({error}), and none can be made: {made}"
                )
            })?,
        },
    };
    run(&image).await.map_err(|error| format!("a container of {image} doesn't start: {error}"))
}

async fn run(image: &str) -> Result<Found, TestcontainersError> {
    // A colon before the last slash belongs to a registry's port.
    let (name, tag) = match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    };
    let request = GenericImage::new(name, tag)
        .with_exposed_port(6379.tcp())
        .with_wait_for(WaitFor::message_on_stdout("Ready to accept connections"))
        .with_cmd(["sh", "-c", WATCH])
        .with_label(LABEL.0, LABEL.1)
        .with_host_config_modifier(|host| host.auto_remove = Some(true));
    let container: ContainerAsync<GenericImage> = request.start().await?;
    let url = format!("redis://{}:{}", container.get_host().await?, container.get_host_port_ipv4(6379).await?);
    let url = url.replace("localhost", "127.0.0.1");
    let found = Found { id: container.id().to_owned(), image: image.to_owned(), url };
    // Dropping the handle would remove the container. It watches for the end of this process by itself.
    std::mem::forget(container);
    Ok(found)
}
