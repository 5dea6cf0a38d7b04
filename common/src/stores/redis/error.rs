//! What the server's errors mean for us.

use redis::{ErrorKind, RedisError};

use crate::error::StoreError;

/// The code under which our scripts report a refused command: `STORE command TAB key TAB cause`.
const OURS: &str = "STORE";

/// What a replica answers to writes.
pub(super) const READONLY: &str = "READONLY";

/// The one place that maps errors of the client and the server.
pub(super) fn refusal(error: &RedisError) -> StoreError {
    let Some(code) = error.code() else {
        return match error.kind() {
            ErrorKind::Io | ErrorKind::Parse | ErrorKind::UnexpectedReturnType => {
                StoreError::Unreachable(error.to_string())
            }
            _ => StoreError::Refused(error.to_string()),
        };
    };
    let detail = error.detail().unwrap_or_default();
    match code {
        "UNREGISTERED" => StoreError::NotRegistered,
        OURS => from_script(&format!("{OURS} {detail}")),
        _ => meaning(&named(detail).unwrap_or_default(), "", &format!("{code} {detail}")),
    }
}

/// What a script reports as text.
pub(super) fn from_script(text: &str) -> StoreError {
    // Where the server adds the script's name and line to an error, that helps nobody.
    let text = match text.rfind(" script: ") {
        Some(end) if text[end..].contains(", on @") => &text[..end],
        _ => text,
    };
    let ours = text.strip_prefix(OURS).map_or(text, str::trim_start);
    let mut parts = ours.splitn(3, '\t');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(command), Some(key), Some(cause)) => meaning(command, key, cause),
        _ => StoreError::Refused(text.to_owned()),
    }
}

/// The command that the server says is not permitted.
fn named(detail: &str) -> Option<String> {
    let (_, rest) = detail.split_once(" run the '")?;
    Some(rest.split_once('\'')?.0.replace('|', " ").to_uppercase())
}

fn meaning(command: &str, key: &str, cause: &str) -> StoreError {
    let cause = cause.strip_prefix("ERR ").unwrap_or(cause);
    let code = cause.split(' ').next().unwrap_or_default();
    match code {
        "OOM" | "MISCONF" => StoreError::Full(cause.to_owned()),
        "WRONGTYPE" => StoreError::WrongKeyType { key: key.to_owned(), cause: cause.to_owned() },
        // Nothing ran, and somebody works on it already.
        "LOADING" | "MASTERDOWN" | READONLY | "BUSY" | "TRYAGAIN" | "CLUSTERDOWN" | "NOREPLICAS" | "UNKILLABLE" => {
            StoreError::Unreachable(cause.to_owned())
        }
        // There is room again as soon as somebody else leaves.
        _ if cause.starts_with("max number of clients") => StoreError::Unreachable(cause.to_owned()),
        _ if code == "NOPERM" || cause.contains("executing the script can't") || cause.starts_with("ACL failure") => {
            StoreError::Denied { key: key.to_owned(), command: command.to_owned(), cause: cause.to_owned() }
        }
        _ => StoreError::Refused(cause.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_says_which_command_on_which_key() {
        let error = from_script(
            "STORE RPUSH\tn s:default\tWRONGTYPE Operation against a key holding the wrong kind of value script: abc, on @user_script:21.",
        );
        assert_eq!(
            error,
            StoreError::WrongKeyType {
                key: "n s:default".to_owned(),
                cause: "WRONGTYPE Operation against a key holding the wrong kind of value".to_owned(),
            }
        );
        assert!(matches!(from_script("STORE HSET\tk\tOOM command not allowed"), StoreError::Full(_)));
        assert!(matches!(
            from_script("STORE HSET\tk\tERR The user executing the script can't run this command or subcommand"),
            StoreError::Denied { .. }
        ));
        assert!(matches!(from_script("user_script:5: attempt to index"), StoreError::Refused(_)));
    }
}
