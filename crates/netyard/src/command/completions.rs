use clap_complete::Shell;

use crate::error::Result;
use crate::{cli, ui};

/// Print completions for a shell
///
/// bash: `netyard completions bash > ~/.local/share/bash-completion/completions/netyard`
///
/// zsh: `netyard completions zsh > ~/.zfunc/_netyard`, with `~/.zfunc` in `fpath`
///
/// fish: `netyard completions fish > ~/.config/fish/completions/netyard.fish`
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    /// Does it.
    pub fn run(self) -> Result {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut cli::tree(), "netyard", &mut script);
        let script = String::from_utf8_lossy(&script);
        ui::print_raw(with_names(self.shell, &script).as_bytes())
    }
}

/// The generated script, taught the names of this yard's nodes and links.
fn with_names(shell: Shell, script: &str) -> String {
    match shell {
        Shell::Bash => format!("{script}{BASH}"),
        Shell::Fish => format!("{script}{FISH}"),
        Shell::Zsh => with_zsh_names(script),
        _ => script.to_owned(),
    }
}

const BASH: &str = r#"
_netyard_with_names() {
    _netyard "$@"
    [[ $2 == -* ]] && return
    case "${COMP_WORDS[1]}" in
        exec|shell|publish|test) COMPREPLY+=($(compgen -W "$(netyard __complete nodes 2>/dev/null)" -- "$2")) ;;
        set) COMPREPLY+=($(compgen -W "$(netyard __complete links 2>/dev/null)" -- "$2")) ;;
    esac
}
complete -F _netyard_with_names -o nosort -o bashdefault -o default netyard
"#;

const FISH: &str = r#"
complete -c netyard -n "__fish_netyard_using_subcommand exec" -f -a "(netyard __complete nodes 2>/dev/null)"
complete -c netyard -n "__fish_netyard_using_subcommand shell" -f -a "(netyard __complete nodes 2>/dev/null)"
complete -c netyard -n "__fish_netyard_using_subcommand publish" -f -a "(netyard __complete nodes 2>/dev/null)"
complete -c netyard -n "__fish_netyard_using_subcommand test" -f -a "(netyard __complete nodes 2>/dev/null)"
complete -c netyard -n "__fish_netyard_using_subcommand set" -f -a "(netyard __complete links 2>/dev/null)"
"#;

/// zsh takes the action of each positional from its line: `':node -- …:_default'`.
fn with_zsh_names(script: &str) -> String {
    let line = |line: &str| {
        let names = [("node", "nodes"), ("nodes", "nodes"), ("words", "nodes"), ("link", "links")];
        let of = names.iter().find(|(argument, _)| {
            line.starts_with(&format!("':{argument} -- "))
                || line.starts_with(&format!("'*::{argument} -- "))
        });
        let line = match of {
            Some((_, names)) => line.replace(":_default'", &format!(":_netyard_names {names}'")),
            None => line.to_owned(),
        };
        line + "\n"
    };
    let script: String = script.lines().map(line).collect();
    let names = "_netyard_names() {\n    \
                 compadd -- ${(f)\"$(netyard __complete $1 2>/dev/null)\"}\n}\n\n";
    script.replacen("_netyard() {", &format!("{names}_netyard() {{"), 1)
}
