//! OCI image layouts: the index, the manifests, which layers an image has.
//!
//! Source: the OCI image specification 1.1 (`image-layout.md`, `manifest.md`).

use serde::{Deserialize, Serialize};

/// The file that says that a directory is a layout.
pub const MARK: &str = "oci-layout";
/// The file that a layout begins with.
pub const INDEX: &str = "index.json";

/// A blob, by its digest.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is.
    #[serde(default)]
    pub media_type: String,
    /// `sha256:…`
    pub digest: String,
    /// Its bytes.
    pub size: u64,
    /// What it runs on.
    pub platform: Option<Platform>,
    /// Remarks.
    #[serde(default)]
    pub annotations: std::collections::BTreeMap<String, String>,
}

/// What an image runs on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Platform {
    /// As Go calls it: `amd64`.
    pub architecture: String,
    /// `linux`
    pub os: String,
}

/// An index: images of several platforms, or other indices.
#[derive(Clone, Debug, Deserialize)]
pub struct Index {
    manifests: Vec<Descriptor>,
}

/// An image: its configuration and its layers, the lowest first.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Manifest {
    /// How it is run.
    pub config: Descriptor,
    /// What it is made of.
    pub layers: Vec<Descriptor>,
}

/// How an image is run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Run {
    /// The program and its first arguments.
    pub entrypoint: Option<Vec<String>>,
    /// Further arguments, or the program.
    pub cmd: Option<Vec<String>>,
    /// `NAME=value`
    pub env: Option<Vec<String>>,
    /// Where it is run.
    pub working_dir: String,
    /// Who runs it: a name or a number, maybe with a group.
    pub user: String,
}

impl Run {
    /// The program and its arguments; empty where the image says none.
    pub fn argv(&self) -> Vec<String> {
        [&self.entrypoint, &self.cmd].into_iter().flatten().flatten().cloned().collect()
    }

    /// Its environment, without what is no `NAME=value`.
    pub fn environment(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.env.iter().flatten().filter_map(|pair| pair.split_once('='));
        pairs.filter(|(name, _)| !name.is_empty())
    }

    /// Who runs it, where that is not root; a group is the user's own.
    pub fn user(&self) -> Option<&str> {
        let user = self.user.split(':').next().unwrap_or_default();
        Some(user).filter(|user| !["", "0", "root"].contains(user))
    }

    /// The directory in which it begins.
    pub fn directory(&self) -> Option<&str> {
        Some(self.working_dir.as_str()).filter(|path| path.starts_with('/'))
    }
}

#[derive(Deserialize)]
struct Configuration {
    #[serde(default)]
    config: Option<Run>,
}

/// Reads an index.
///
/// # Errors
/// A phrase that says what is wrong with it.
pub fn index(text: &[u8]) -> Result<Index, String> {
    serde_json::from_slice(text).map_err(|error| error.to_string())
}

/// Reads a manifest.
///
/// # Errors
/// A phrase that says what is wrong with it.
pub fn manifest(text: &[u8]) -> Result<Manifest, String> {
    serde_json::from_slice(text).map_err(|error| error.to_string())
}

/// Reads how an image is run.
///
/// # Errors
/// A phrase that says what is wrong with it.
pub fn run(text: &[u8]) -> Result<Run, String> {
    let read: Configuration = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    Ok(read.config.unwrap_or_default())
}

impl Descriptor {
    /// True for an index, which leads to others.
    pub fn is_index(&self) -> bool {
        self.media_type.contains("index") || self.media_type.contains("manifest.list")
    }

    /// The path of the blob in its layout; none where its digest is not a SHA-256.
    pub fn path(&self) -> Option<String> {
        self.sha256().map(|digits| format!("blobs/sha256/{digits}"))
    }

    /// The digits of its digest.
    pub fn sha256(&self) -> Option<&str> {
        let digits = self.digest.strip_prefix("sha256:")?;
        let plain = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (digits.len() == 64 && digits.bytes().all(plain)).then_some(digits)
    }

    fn is_image(&self) -> bool {
        // What signs or describes an image stands beside it, of an unknown platform.
        !self.annotations.contains_key("vnd.docker.reference.type")
    }
}

impl Index {
    /// The one for this machine, whose processor Go calls `architecture`.
    ///
    /// # Errors
    /// A phrase, when there is none or more than one.
    pub fn choose(&self, architecture: &str) -> Result<&Descriptor, String> {
        let images: Vec<&Descriptor> = self.manifests.iter().filter(|d| d.is_image()).collect();
        let fits = |d: &&&Descriptor| {
            let platform = d.platform.as_ref();
            platform.is_some_and(|p| p.os == "linux" && p.architecture == architecture)
        };
        let fitting: Vec<&&Descriptor> = images.iter().filter(fits).collect();
        match (&fitting[..], &images[..]) {
            ([one], _) => Ok(one),
            ([], [one]) if one.platform.is_none() => Ok(one),
            ([], []) => Err("it holds no image".into()),
            ([], all) => {
                let name = |d: &&Descriptor| match &d.platform {
                    Some(p) => format!("{}/{}", p.os, p.architecture),
                    None => "unnamed".to_owned(),
                };
                let names: Vec<String> = all.iter().map(name).collect();
                Err(format!("it holds none for linux/{architecture}: {}", names.join(", ")))
            }
            (several, _) => {
                Err(format!("it holds {} images for linux/{architecture}", several.len()))
            }
        }
    }
}

/// What an entry of a layer does to the layers below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whiteout<'a> {
    /// This name goes.
    Name(&'a [u8]),
    /// All names in its directory go.
    All,
}

/// Reads the last part of an entry's path as a whiteout.
pub fn whiteout(name: &[u8]) -> Option<Whiteout<'_>> {
    match name.strip_prefix(b".wh.")? {
        b".wh..opq" => Some(Whiteout::All),
        name => Some(Whiteout::Name(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn of(platforms: &[&str]) -> Index {
        let manifest = |p: &&str| {
            let (os, architecture) = p.split_once('/').unwrap();
            format!(
                r#"{{"mediaType":"m","digest":"{DIGEST}","size":7,"platform":{{"os":"{os}","architecture":"{architecture}"}}}}"#
            )
        };
        let manifests: Vec<String> = platforms.iter().map(manifest).collect();
        index(format!(r#"{{"manifests":[{}]}}"#, manifests.join(",")).as_bytes()).unwrap()
    }

    #[test]
    fn the_image_for_this_machine_is_chosen() {
        let index = of(&["linux/arm64", "linux/amd64", "windows/amd64"]);
        assert_eq!(index.choose("amd64").unwrap().platform.as_ref().unwrap().os, "linux");
        let why = index.choose("riscv64").unwrap_err();
        assert!(why.contains("linux/riscv64: linux/arm64, linux/amd64"), "{why}");
        assert!(of(&["linux/amd64", "linux/amd64"]).choose("amd64").is_err());
        assert!(of(&[]).choose("amd64").is_err());
    }

    #[test]
    fn a_digest_is_a_digest_and_never_a_path() {
        let with = |digest: &str| Descriptor {
            media_type: String::new(),
            digest: digest.into(),
            size: 1,
            platform: None,
            annotations: Default::default(),
        };
        assert!(with(DIGEST).path().unwrap().starts_with("blobs/sha256/0123"));
        for bad in ["sha256:../../etc/passwd", "sha256:", "sha512:00", "", "sha256:ABC"] {
            assert_eq!(with(bad).path(), None, "{bad}");
        }
    }

    #[test]
    fn what_is_run_is_the_entrypoint_with_its_arguments() {
        let text = r#"{"config":{"Entrypoint":["/bin/web"],"Cmd":["-p","80"],
            "Env":["A=b=c","=x","none"],"User":"www:www","WorkingDir":"/srv"}}"#;
        let run = run(text.as_bytes()).unwrap();
        assert_eq!(run.argv(), ["/bin/web", "-p", "80"]);
        assert_eq!(run.environment().collect::<Vec<_>>(), [("A", "b=c")]);
        assert_eq!((run.user(), run.directory()), (Some("www"), Some("/srv")));
        assert_eq!(Run { user: "0:0".into(), ..Run::default() }.user(), None);
    }

    #[test]
    fn whiteouts_are_told_from_names() {
        assert_eq!(whiteout(b".wh.passwd"), Some(Whiteout::Name(b"passwd")));
        assert_eq!(whiteout(b".wh..wh..opq"), Some(Whiteout::All));
        assert_eq!(whiteout(b".where"), None);
    }
}
