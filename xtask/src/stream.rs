//! Running a command whose output is both shown as it comes and read.

use std::io::{self, BufRead, BufReader, PipeReader, Write};
use std::process::{Command, ExitStatus};

/// Runs `command` with stdout and stderr joined (so that their order is kept), passes each line
/// on to our stdout at once and to `see`.
///
/// # Errors
/// When the command cannot be started or its output cannot be read.
pub fn run(command: &mut Command, mut see: impl FnMut(&str)) -> io::Result<ExitStatus> {
    let (reader, writer) = io::pipe()?;
    command.stdin(std::process::Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn().map_err(|error| {
        let program = command.get_program().to_string_lossy().into_owned();
        io::Error::new(error.kind(), format!("could not start `{program}`: {error}"))
    })?;
    // The command holds the write ends of the pipe: let go of them, or the end never comes.
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    pass_on(reader, &mut see)?;
    child.wait()
}

fn pass_on(reader: PipeReader, see: &mut impl FnMut(&str)) -> io::Result<()> {
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        let mut stdout = io::stdout().lock();
        stdout.write_all(&line)?;
        stdout.flush()?;
        see(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_streams_arrive_in_order_with_the_status() {
        let mut seen = Vec::new();
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two >&2; echo three; exit 7"]);
        let status = run(&mut command, |line| seen.push(line.to_owned())).unwrap();
        assert_eq!(seen, ["one", "two", "three"]);
        assert_eq!(status.code(), Some(7));
    }
}
