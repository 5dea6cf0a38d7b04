//! dramatiq's own encoder and decoder: one Python process that answers line by line.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Reads messages, and makes some up: any that can be sent, the same for the same seed.
const SCRIPT: &str = r#"
import random, sys
from dramatiq import Message
from dramatiq.errors import DecodeError

def text(r):
    pick = lambda: r.choice([r.randrange(0x20, 0x7f), r.randrange(0x80), r.randrange(0x800), r.randrange(0xd800, 0xe000),
                             r.randrange(0x110000)])
    return "".join(chr(pick()) for _ in range(r.randrange(8)))

def sound(r):
    # As the name of an argument or option: text that is really text.
    return "".join(c for c in text(r) if not "\ud800" <= c <= "\udfff")

def leaf(r):
    return r.choice([
        lambda: None, lambda: True, lambda: False, lambda: r.randrange(-10, 10), lambda: r.randrange(-2**70, 2**70),
        lambda: r.randrange(10**60), lambda: r.uniform(-1, 1), lambda: r.uniform(-1, 1) * 10 ** r.randrange(-300, 300),
        lambda: -0.0, lambda: 5e-324, lambda: float(r.randrange(10**9)), lambda: text(r),
    ])()

def value(r, depth):
    kind = r.randrange(6 if depth else 4)
    if kind == 4:
        return r.choice([list, tuple])(value(r, depth - 1) for _ in range(r.randrange(4)))
    if kind == 5:
        return {r.choice([leaf(r), text(r)]): value(r, depth - 1) for _ in range(r.randrange(4))}
    return leaf(r)

def whole(r):
    return r.choice([value(r, 3), value(r, 3), value(r, 3), r.choice([float("nan"), float("inf"), float("-inf")])])

def make(r):
    entries = lambda: {sound(r): whole(r) for _ in range(r.randrange(4))}
    options = entries() | r.choice([{}, {"eta": r.randrange(2**42)}, {"retries": r.randrange(99), "traceback": text(r)},
                                    {"time_limit": float("inf")}])
    return Message(r.choice(["default", "default.DQ", "mail.high-2_x"]), sound(r), tuple(whole(r) for _ in range(r.randrange(5))),
                   entries(), options, **r.choice([{}, {"message_id": sound(r)}]))

for line in sys.stdin:
    word, rest = line.split()
    if word == "make":
        print(make(random.Random(int(rest))).encode().hex(), flush=True)
    else:
        try:
            print("+", Message.decode(bytes.fromhex(rest[1:])).encode().hex(), flush=True)
        except DecodeError as error:
            print("-", repr(error.error), flush=True)
"#;

pub(crate) struct Python {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Python {
    pub(crate) fn start() -> Self {
        let mut command = Command::new(tests::python::venv().join("bin/python"));
        let mut child =
            command.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python starts");
        let (questions, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, questions, answers: BufReader::new(answers) }
    }

    /// The bytes of a message that Python makes up.
    pub(crate) fn make(&mut self, seed: u64) -> Vec<u8> {
        let answer = self.ask(&format!("make {seed}"));
        from_hex(&answer)
    }

    /// The bytes that Python writes of a message that it has read, or why it does not read it.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let answer = self.ask(&format!("read x{}", to_hex(bytes)));
        match answer.split_once(' ') {
            Some(("+", written)) => Ok(from_hex(written)),
            _ => Err(answer),
        }
    }

    fn ask(&mut self, question: &str) -> String {
        writeln!(self.questions, "{question}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        assert!(answer.ends_with('\n'), "python has ended; it was asked to {question}");
        answer.trim_end().to_owned()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // Whether it had ended before makes no difference.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn from_hex(text: &str) -> Vec<u8> {
    let pair = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal digits");
    (0..text.len()).step_by(2).map(pair).collect()
}
