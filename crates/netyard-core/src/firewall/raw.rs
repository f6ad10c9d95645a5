//! `raw:` nft's own text of chains, read into the same words as all other rules:
//! so it is checked before anything is done, compared, shown and changed like
//! them, and needs no `nft` on the machine.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use crate::nft::{
    Base, Chain, ChainKind, Ct, Hook, IcmpKind, LogLevel, Match, Matcher, NatTarget, Policy,
    PortRange, Protocol, RateLimit, Reject, Rule, Statement,
};

/// What is wrong with the text: a line of it, from 1, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// From 1.
    pub line: usize,
    /// Reads after "line 3: ".
    pub why: String,
}

type Read<T> = Result<T, Fault>;

/// The chains of a text. `known` are chains that may be jumped to besides.
pub fn parse(text: &str) -> Result<Vec<Chain>, Fault> {
    let mut reader = Reader { tokens: tokens(text)?, at: 0 };
    let mut chains: Vec<Chain> = Vec::new();
    loop {
        reader.skip_ends();
        match reader.next() {
            None => break,
            Some(word) if word == "chain" => {
                let chain = chain(&mut reader)?;
                if chains.iter().any(|c| c.name == chain.name) {
                    return Err(reader.fault(format!("there are two chains `{}`", chain.name)));
                }
                chains.push(chain);
            }
            Some(word) => {
                return Err(reader.fault(format!("here stands `chain NAME {{`, not `{word}`")));
            }
        }
    }
    for rule in chains.iter().flat_map(|c| &c.rules) {
        for word in &rule.statements {
            let (Statement::Jump(to) | Statement::Goto(to)) = word else { continue };
            if !chains.iter().any(|c| c.name == *to) {
                return Err(Fault { line: 1, why: format!("there is no chain `{to}` in it") });
            }
        }
    }
    Ok(chains)
}

/// A word, a sign, or the end of a statement (`;`), with its line.
type Token = (String, usize);

/// What ends a statement, whether a newline or a semicolon.
const END: &str = ";";

fn tokens(text: &str) -> Read<Vec<Token>> {
    let mut tokens: Vec<Token> = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let length = match first {
                '#' => break,
                c if c.is_whitespace() => {
                    rest = &rest[c.len_utf8()..];
                    continue;
                }
                '{' | '}' | ',' | ';' => 1,
                '"' => {
                    let Some(end) = rest[1..].find('"') else {
                        let why = "a text that does not end".to_owned();
                        return Err(Fault { line: number, why });
                    };
                    end + 2
                }
                _ => {
                    let ends = |c: char| c.is_whitespace() || "{},;\"".contains(c);
                    rest.find(ends).unwrap_or(rest.len())
                }
            };
            tokens.push((rest[..length].to_owned(), number));
            rest = &rest[length..];
        }
        tokens.push((END.to_owned(), number));
    }
    Ok(tokens)
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> Option<&str> {
        self.tokens.get(self.at).map(|(text, _)| text.as_str())
    }

    fn next(&mut self) -> Option<String> {
        let token = self.tokens.get(self.at)?.0.clone();
        self.at += 1;
        Some(token)
    }

    fn skip_ends(&mut self) {
        while self.peek() == Some(END) {
            self.at += 1;
        }
    }

    /// A fault at the word that was read last.
    fn fault(&self, why: impl Into<String>) -> Fault {
        let at = self.at.saturating_sub(1).min(self.tokens.len().saturating_sub(1));
        Fault { line: self.tokens.get(at).map_or(1, |t| t.1), why: why.into() }
    }

    fn word(&mut self, what: &str) -> Read<String> {
        match self.next() {
            Some(word) if word != END && word != "{" && word != "}" => Ok(word),
            _ => Err(self.fault(format!("{what} is missing"))),
        }
    }

    /// Takes the word if it is next.
    fn takes(&mut self, word: &str) -> bool {
        let is_next = self.peek() == Some(word);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, word: &str) -> Read<()> {
        if self.takes(word) {
            return Ok(());
        }
        let found = self.next().unwrap_or_default();
        Err(self.fault(format!("here stands `{word}`, not `{found}`")))
    }

    fn value<T: FromStr>(&mut self, what: &str) -> Read<T> {
        let word = self.word(what)?;
        word.parse().map_err(|_| self.fault(format!("`{word}` is not {what}")))
    }

    /// A name, quoted or not.
    fn name(&mut self, what: &str) -> Read<String> {
        Ok(self.word(what)?.trim_matches('"').to_owned())
    }

    /// `!=`, `==` or nothing; true for the first.
    fn not(&mut self) -> bool {
        if self.takes("!=") {
            return true;
        }
        self.takes("==");
        false
    }

    /// One value, or `{ a, b }`, or `a,b`.
    fn list<T>(&mut self, what: &str, read: impl Fn(&str) -> Option<T>) -> Read<Vec<T>> {
        let braced = self.takes("{");
        let mut all = Vec::new();
        loop {
            let word = self.name(what)?;
            all.push(read(&word).ok_or_else(|| self.fault(format!("`{word}` is not {what}")))?);
            if !self.takes(",") {
                break;
            }
        }
        if braced {
            self.expect("}")?;
        }
        Ok(all)
    }
}

fn chain(reader: &mut Reader) -> Read<Chain> {
    let name = reader.name("a chain's name")?;
    reader.expect("{")?;
    let (mut base, mut rules) = (None, Vec::new());
    loop {
        reader.skip_ends();
        match reader.peek() {
            Some("}") => break,
            Some("type") => base = Some(hooked(reader)?),
            Some("policy") => {
                reader.next();
                let word = reader.word("a policy")?;
                let Some(base) = &mut base else {
                    return Err(reader.fault("`policy` is behind `type … hook …`"));
                };
                base.policy = match word.as_str() {
                    "accept" => Policy::Accept,
                    "drop" => Policy::Drop,
                    _ => return Err(reader.fault(format!("`{word}` is no policy"))),
                };
            }
            Some(_) => rules.push(rule(reader)?),
            None => return Err(reader.fault(format!("the chain `{name}` does not end"))),
        }
    }
    reader.next();
    Ok(Chain { name, base, rules })
}

fn hooked(reader: &mut Reader) -> Read<Base> {
    reader.expect("type")?;
    let kind = match reader.word("a chain's type")?.as_str() {
        "filter" => ChainKind::Filter,
        "nat" => ChainKind::Nat,
        "route" => ChainKind::Route,
        other => return Err(reader.fault(format!("there is no chain type `{other}`"))),
    };
    reader.expect("hook")?;
    let word = reader.word("a hook")?;
    let hooks = [Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting];
    let Some(hook) = hooks.into_iter().find(|h| h.word() == word) else {
        return Err(reader.fault(format!("there is no hook `{word}` here")));
    };
    reader.expect("priority")?;
    let word = reader.word("a priority")?;
    let mut priority = match word.as_str() {
        "raw" => -300,
        "mangle" => -150,
        "dstnat" => -100,
        "filter" => 0,
        "security" => 50,
        "srcnat" => 100,
        number => {
            number.parse().map_err(|_| reader.fault(format!("`{number}` is not a priority")))?
        }
    };
    for (sign, factor) in [("+", 1), ("-", -1)] {
        if reader.takes(sign) {
            let more: i32 = reader.value("a number")?;
            priority += factor * more;
        }
    }
    Ok(Base { kind, hook, priority, policy: Policy::Accept })
}

fn rule(reader: &mut Reader) -> Read<Rule> {
    let (mut statements, mut comment) = (Vec::new(), None);
    loop {
        match reader.peek() {
            None | Some(END | "}") => break,
            Some("comment") => {
                reader.next();
                comment = Some(reader.name("a comment")?);
            }
            Some(_) => statements.push(statement(reader)?),
        }
    }
    Ok(Rule { statements, comment })
}

fn statement(reader: &mut Reader) -> Read<Statement> {
    let word = reader.word("a word")?;
    let matched = |not, matcher| Ok(Statement::Match(Match { not, matcher }));
    Ok(match word.as_str() {
        "accept" => Statement::Accept,
        "drop" => Statement::Drop,
        "return" => Statement::Return,
        "notrack" => Statement::Notrack,
        "counter" => {
            // What was counted once is not part of a rule.
            while reader.takes("packets") || reader.takes("bytes") {
                let _: u64 = reader.value("a number")?;
            }
            Statement::Counter
        }
        "jump" => Statement::Jump(reader.name("a chain's name")?),
        "goto" => Statement::Goto(reader.name("a chain's name")?),
        "reject" => reject(reader)?,
        "log" => log(reader)?,
        "limit" => limit(reader)?,
        "masquerade" | "redirect" | "snat" | "dnat" => translation(&word, reader)?,
        "iifname" | "iif" => {
            let not = reader.not();
            return matched(not, Matcher::Iif(interfaces(reader)?));
        }
        "oifname" | "oif" => {
            let not = reader.not();
            return matched(not, Matcher::Oif(interfaces(reader)?));
        }
        "flow" => {
            reader.expect("add")?;
            Statement::Offload(reader.name("a flowtable")?.trim_start_matches('@').to_owned())
        }
        "meta" => meta(reader)?,
        "ct" => tracked(reader)?,
        "ip" | "ip6" => address(word == "ip6", reader)?,
        "tcp" | "udp" | "sctp" => ports(&word, reader)?,
        "icmp" | "icmpv6" => {
            let kind = if word == "icmp" { IcmpKind::Icmp } else { IcmpKind::Icmpv6 };
            reader.expect("type")?;
            let not = reader.not();
            let types = reader.list("a type of ICMP", |text| {
                (0..=u8::MAX).find(|n| kind.name(*n) == text || n.to_string() == text)
            })?;
            return matched(not, Matcher::Icmp(kind, types));
        }
        "fib" => {
            for word in ["daddr", "type"] {
                reader.expect(word)?;
            }
            let not = reader.not();
            reader.expect("local")?;
            return matched(not, Matcher::DaddrLocal);
        }
        other => return Err(reader.fault(format!("netyard does not know the word `{other}`"))),
    })
}

fn interfaces(reader: &mut Reader) -> Read<Vec<String>> {
    reader.list("an interface", |text| Some(text.to_owned()))
}

fn is(not: bool, matcher: Matcher) -> Statement {
    Statement::Match(Match { not, matcher })
}

fn reject(reader: &mut Reader) -> Read<Statement> {
    if !reader.takes("with") {
        return Ok(Statement::Reject(Reject::PortUnreachable));
    }
    let words = [reader.word("a kind of refusal")?, reader.word("a kind of refusal")?];
    Ok(Statement::Reject(match [words[0].as_str(), words[1].as_str()] {
        ["tcp", "reset"] => Reject::TcpReset,
        ["icmpx", "port-unreachable"] => Reject::PortUnreachable,
        ["icmpx", "admin-prohibited"] => Reject::AdminProhibited,
        [a, b] => return Err(reader.fault(format!("netyard does not know `reject with {a} {b}`"))),
    }))
}

fn log(reader: &mut Reader) -> Read<Statement> {
    let (mut prefix, mut level) = (String::new(), LogLevel::Warn);
    loop {
        if reader.takes("prefix") {
            prefix = reader.name("a prefix")?;
        } else if reader.takes("level") {
            let word = reader.word("a level")?;
            use LogLevel::{Alert, Crit, Debug, Emerg, Err as Error, Info, Notice, Warn};
            let all = [Emerg, Alert, Crit, Error, Warn, Notice, Info, Debug];
            level = all
                .into_iter()
                .find(|l| l.word() == word)
                .ok_or_else(|| reader.fault(format!("there is no level `{word}`")))?;
        } else {
            return Ok(Statement::Log { prefix, level });
        }
    }
}

fn limit(reader: &mut Reader) -> Read<Statement> {
    reader.expect("rate")?;
    let over = reader.takes("over");
    let text = reader.word("a rate")?;
    let (amount, unit) = text.split_once('/').unwrap_or((&text, ""));
    let seconds = match unit {
        "second" => 1,
        "minute" => 60,
        "hour" => 3600,
        "day" => 86400,
        "week" => 604_800,
        _ => return Err(reader.fault(format!("`{text}` is not a rate: `10/second`"))),
    };
    let amount =
        amount.parse().map_err(|_| reader.fault(format!("`{text}` is not a rate: `10/second`")))?;
    let mut burst = 5;
    if reader.takes("burst") {
        burst = reader.value("a number")?;
        reader.takes("packets");
    }
    Ok(Statement::Limit(RateLimit { amount, bytes: false, seconds, burst, over }))
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

fn mark(reader: &mut Reader) -> Read<u32> {
    let word = reader.word("a mark")?;
    number(&word).ok_or_else(|| reader.fault(format!("`{word}` is not a mark")))
}

fn meta(reader: &mut Reader) -> Read<Statement> {
    let word = reader.word("a word")?;
    if word == "mark" && reader.takes("set") {
        if reader.takes("ct") {
            reader.expect("mark")?;
            return Ok(Statement::RestoreMark);
        }
        return Ok(Statement::SetMark(mark(reader)?));
    }
    let not = reader.not();
    Ok(is(
        not,
        match word.as_str() {
            "iifname" => Matcher::Iif(interfaces(reader)?),
            "oifname" => Matcher::Oif(interfaces(reader)?),
            "mark" => Matcher::Mark(mark(reader)?, u32::MAX),
            "nfproto" => match reader.word("a family")?.as_str() {
                "ipv4" => Matcher::Family(false),
                "ipv6" => Matcher::Family(true),
                other => return Err(reader.fault(format!("there is no family `{other}`"))),
            },
            "l4proto" => Matcher::Protocol(reader.list("a protocol", protocol)?),
            other => return Err(reader.fault(format!("netyard does not know `meta {other}`"))),
        },
    ))
}

fn protocol(text: &str) -> Option<Protocol> {
    use Protocol::{Ah, Esp, Gre, Icmp, Icmpv6, Other, Sctp, Tcp, Udp};
    let named = [Tcp, Udp, Icmp, Icmpv6, Sctp, Esp, Ah, Gre];
    let known = named.into_iter().find(|p| p.word() == text || p.number().to_string() == text);
    known.or((text == "icmpv6").then_some(Icmpv6)).or_else(|| text.parse().ok().map(Other))
}

fn tracked(reader: &mut Reader) -> Read<Statement> {
    let word = reader.word("a word")?;
    if word == "mark" && reader.takes("set") {
        if reader.takes("meta") {
            reader.expect("mark")?;
            return Ok(Statement::SaveMark);
        }
        return Ok(Statement::SetCtMark(mark(reader)?));
    }
    let not = reader.not();
    let all = [Ct::Invalid, Ct::Established, Ct::Related, Ct::New, Ct::Untracked];
    let state = |text: &str| all.into_iter().find(|s| s.word() == text);
    Ok(is(
        not,
        match word.as_str() {
            "state" => Matcher::CtState(reader.list("a state of connections", state)?),
            "mark" => Matcher::CtMark(mark(reader)?, u32::MAX),
            "status" => match reader.word("a status")?.as_str() {
                "dnat" => Matcher::CtDnat,
                "snat" => Matcher::CtSnat,
                other => {
                    let why = format!("netyard does not know `ct status {other}`");
                    return Err(reader.fault(why));
                }
            },
            other => return Err(reader.fault(format!("netyard does not know `ct {other}`"))),
        },
    ))
}

fn address(ipv6: bool, reader: &mut Reader) -> Read<Statement> {
    let word = reader.word("a word")?;
    let not = reader.not();
    if matches!(word.as_str(), "protocol" | "nexthdr") {
        return Ok(is(not, Matcher::Protocol(reader.list("a protocol", protocol)?)));
    }
    let is_source = match word.as_str() {
        "saddr" => true,
        "daddr" => false,
        other => return Err(reader.fault(format!("netyard does not know `ip {other}`"))),
    };
    if let Some(set) = reader.peek().and_then(|w| w.strip_prefix('@')).map(String::from) {
        reader.next();
        let matcher = match is_source {
            true => Matcher::SaddrSet { set, ipv6 },
            false => Matcher::DaddrSet { set, ipv6 },
        };
        return Ok(is(not, matcher));
    }
    let nets = reader.list("an address of this family", |text| {
        let net = text.parse::<IpNet>().ok().or_else(|| Some(text.parse::<IpAddr>().ok()?.into()));
        net.filter(|net| matches!(net, IpNet::V6(_)) == ipv6)
    })?;
    Ok(is(not, if is_source { Matcher::Saddr(nets) } else { Matcher::Daddr(nets) }))
}

fn range(text: &str) -> Option<PortRange> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some(PortRange { first, last })
}

fn ports(protocol: &str, reader: &mut Reader) -> Read<Statement> {
    let header = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => Protocol::Sctp,
    };
    let word = reader.word("a word")?;
    match word.as_str() {
        "sport" | "dport" => {
            let not = reader.not();
            let ports = reader.list("a port", range)?;
            let matcher = match word.as_str() {
                "sport" => Matcher::Sport(header, ports),
                _ => Matcher::Dport(header, ports),
            };
            Ok(is(not, matcher))
        }
        "flags" if protocol == "tcp" => {
            let mut text = String::new();
            while reader.peek().is_some_and(|w| w.contains(['&', '(', '|', ')', '=']) || w == "rst")
            {
                text += &reader.next().unwrap_or_default();
                text += if reader.peek() == Some("syn") && text.ends_with('=') { "" } else { " " };
            }
            reader.expect("syn")?;
            match text.replace(' ', "").as_str() {
                "" | "&(syn|rst)==" => Ok(is(false, Matcher::TcpSyn)),
                _ => Err(reader.fault("netyard knows `tcp flags & (syn | rst) == syn` only")),
            }
        }
        "option" if protocol == "tcp" => {
            for word in ["maxseg", "size", "set"] {
                reader.expect(word)?;
            }
            if reader.takes("rt") {
                reader.expect("mtu")?;
                return Ok(Statement::MaxSegment(None));
            }
            Ok(Statement::MaxSegment(Some(reader.value("a number of bytes")?)))
        }
        other => Err(reader.fault(format!("netyard does not know `{protocol} {other}`"))),
    }
}

fn translation(verb: &str, reader: &mut Reader) -> Read<Statement> {
    let family = ["ip", "ip6"].into_iter().find(|word| reader.takes(word));
    let mut target = NatTarget::default();
    if reader.takes("to") {
        let text = reader.word("an address")?;
        let place = |reader: &Reader| reader.fault(format!("`{text}` is nowhere to translate to"));
        let (addresses, ports) = split(&text).ok_or_else(|| place(reader))?;
        target.addresses = addresses;
        target.ports = ports;
        let said = addresses.map(|(first, _)| if first.is_ipv6() { "ip6" } else { "ip" });
        if family.is_some() && said.is_some() && family != said {
            return Err(reader.fault("an address of the other family"));
        }
    }
    while let Some(word @ ("random" | "fully-random" | "persistent")) = reader.peek() {
        target.random |= word != "persistent";
        target.persistent |= word == "persistent";
        reader.next();
        reader.takes(",");
    }
    let is_bare = target.addresses.is_none();
    match (verb, is_bare) {
        ("masquerade", true) => {
            Ok(Statement::Masquerade { ports: target.ports, random: target.random })
        }
        ("redirect", true) => Ok(Statement::Redirect(target.ports)),
        ("snat", false) => Ok(Statement::Snat(target)),
        ("dnat", false) => Ok(Statement::Dnat(target)),
        (verb, true) => Err(reader.fault(format!("`{verb}` needs `to ADDRESS`"))),
        (verb, false) => Err(reader.fault(format!("`{verb}` takes no address"))),
    }
}

/// First and last address, and ports.
type Place = (Option<(IpAddr, IpAddr)>, Option<PortRange>);

/// `10.0.0.1`, `10.0.0.1-10.0.0.9:80`, `[fd00::1]:80`, `:80-90`.
fn split(text: &str) -> Option<Place> {
    let addresses = |text: &str| -> Option<(IpAddr, IpAddr)> {
        let bare = |t: &str| t.trim_matches(['[', ']']).parse().ok();
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        Some((bare(first)?, bare(last)?))
    };
    if let Some(port) = text.strip_prefix(':').filter(|p| !p.contains(':')) {
        return Some((None, Some(range(port)?)));
    }
    if let Some(found) = addresses(text) {
        return Some((Some(found), None));
    }
    let (address, port) = text.rsplit_once(':')?;
    Some((Some(addresses(address)?), Some(range(port)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        parse(text).unwrap().iter().map(Chain::to_string).collect()
    }

    #[test]
    fn what_is_read_is_written_as_it_was() {
        let text = "\
\tchain mine {
\t\ttype filter hook input priority filter + 10; policy accept;
\t\tiifname \"eth0\" ip saddr { 10.0.0.0/8, 192.0.2.1 } tcp dport { 22, 80-90 } ct state new limit rate 10/minute burst 9 packets counter log prefix \"x \" accept comment \"mine\"
\t\tip6 daddr != fd00::/8 udp sport 53 meta mark 0x00000005 reject with icmpx admin-prohibited
\t\tip saddr @admins-ipv4 meta mark set 0x00000007 jump other
\t\ttcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
\t\ticmpv6 type { echo-request, 200 } meta l4proto { tcp, udp } drop
\t}
\tchain other {
\t\tfib daddr type local ct status dnat return
\t}
\tchain out {
\t\ttype nat hook postrouting priority srcnat; policy accept;
\t\toifname != \"lo\" meta l4proto tcp masquerade to :1024-2000 fully-random
\t\tip saddr 10.0.0.1 snat ip to 192.0.2.7
\t\ttcp dport 1 dnat ip6 to [fd00::1]:80
\t}
";
        assert_eq!(shown(text), text);
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_line() {
        let line = |text: &str| parse(text).unwrap_err();
        let chain = |rule: &str| format!("chain a {{\n  {rule}\n}}\n");
        assert_eq!(line("set x { }").line, 1);
        let fault = line(&chain("tcp dport ssh accept"));
        assert_eq!((fault.line, fault.why.as_str()), (2, "`ssh` is not a port"));
        assert_eq!(line(&chain("meta skuid 0 accept")).line, 2);
        assert!(line(&chain("jump b")).why.contains("no chain `b`"));
        assert!(line(&chain("drop").replace('}', "")).why.contains("does not end"));
        assert!(line(&chain("snat accept")).why.contains("needs"));
        assert!(line(&chain("log prefix \"x")).why.contains("does not end"));
    }
}
