//! OCI layouts, put together by the shell as the specification says.

use super::Bench;
use std::fs;

/// `oci` with an image of three layers, each an archive of `layer1` to `layer3`.
const LAYOUT: &str = r#"
blob() { s=$(sha256sum < "$1" | cut -d' ' -f1); cp "$1" oci/blobs/sha256/$s; size=$(stat -c %s "$1"); }
mkdir -p oci/blobs/sha256; echo '{"imageLayoutVersion":"1.0.0"}' > oci/oci-layout
layers=
for n in 1 2 3; do
    tar -C layer$n -cf l.tar .
    case $n in 2) gzip -f l.tar; mv l.tar.gz l.tar;; 3) zstd -q -f l.tar -o l.zst; mv l.zst l.tar;; esac
    blob l.tar; layers="$layers{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"sha256:$s\",\"size\":$size},"
    [ $n != 1 ] || first=$s
done
echo '{"architecture":"any","os":"linux","config":{"Entrypoint":["/bin/web"],"Env":["A=b"],"WorkingDir":"/srv"}}' > c; blob c
echo "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"c\",\"digest\":\"sha256:$s\",\"size\":$size},\"layers\":[${layers%,}]}" > m; blob m
case $(uname -m) in x86_64) arch=amd64;; aarch64) arch=arm64;; *) arch=$(uname -m);; esac
echo "{\"schemaVersion\":2,\"manifests\":[
 {\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"sha256:$(printf 0%.0s $(seq 64))\",\"size\":1,\"platform\":{\"architecture\":\"s390x\",\"os\":\"linux\"}},
 {\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"sha256:$s\",\"size\":$size,\"platform\":{\"architecture\":\"$arch\",\"os\":\"linux\"}}]}" > oci/index.json
echo $first > first
"#;

const LAYERS: &str = "
mkdir -p layer1/etc layer1/old layer1/gone/deep layer2/etc layer2/old layer3/etc
echo 1 > layer1/etc/a; echo 1 > layer1/etc/b; echo 1 > layer1/old/x; echo 1 > layer1/gone/deep/file
echo 2 > layer2/etc/b; : > layer2/.wh.gone; : > layer2/old/.wh..wh..opq; echo 2 > layer2/old/new
: > layer3/etc/.wh.a; echo 3 > layer3/etc/c
";

#[test]
fn layers_lie_over_one_another_and_take_away() {
    let bench = Bench::new();
    bench.sh(LAYERS);
    bench.sh(LAYOUT);
    bench.sh("tar -C oci -cf oci.tar .; gzip -k oci.tar");
    for image in ["oci", "oci.tar", "oci.tar.gz"] {
        let done = bench.unpack(image);
        assert_eq!(done.kind, "OCI layout", "{image}");
        let run = done.run.expect("how it is run");
        assert_eq!(run.entrypoint.as_deref(), Some(&["/bin/web".to_owned()][..]));
        assert_eq!(run.working_dir, "/srv");
        let all = bench.sh("cd out/tree; find . -type f -printf '%P ' -exec cat {} ';' | sort");
        assert_eq!(
            all.split_whitespace().collect::<Vec<_>>(),
            ["etc/b", "2", "etc/c", "3", "old/new", "2"],
            "{image}"
        );
        assert!(!bench.path("out/tree/gone").exists());
        assert_eq!(bench.sh("ls -A out").trim(), "tree");
        bench.sh("rm -r out");
    }
}

#[test]
fn a_layer_that_is_not_what_its_digest_says_is_refused() {
    let bench = Bench::new();
    bench.sh(LAYERS);
    bench.sh(LAYOUT);
    bench.sh("f=oci/blobs/sha256/$(cat first); printf X | dd of=$f bs=1 seek=700 conv=notrunc status=none");
    bench.refuses("oci", &["is not what its digest says"]);
    bench.sh("f=oci/blobs/sha256/$(cat first); truncate -s 1000 $f");
    bench.refuses("oci", &["is of 1000 bytes, and should be of"]);
    bench.sh("rm oci/blobs/sha256/$(cat first)");
    bench.refuses("oci", &["could not read `blobs/sha256/"]);
    bench.sh("sed -i 's/amd64/riscv64/; s/arm64/riscv64/' oci/index.json");
    bench.refuses("oci", &["it holds none for linux/"]);
}

#[test]
fn a_layout_cannot_lead_out_of_itself() {
    let bench = Bench::new();
    bench.sh(LAYERS);
    bench.sh("echo '../../etc/x' > layer2/.wh...; rm layer2/.wh...; : > 'layer2/.wh...'");
    bench.sh(LAYOUT);
    bench.refuses("oci", &["takes nothing away"]);
    bench.sh("rm layer2/.wh...; rm -r oci; mkdir outside; echo safe > outside/file; ln -s ../../outside layer1/etc/way
              mkdir layer2/etc/way; : > layer2/etc/way/.wh.file");
    bench.sh(LAYOUT);
    // A directory in place of the link; through the link nothing was reached.
    bench.unpack("oci");
    assert_eq!(fs::read_to_string(bench.path("outside/file")).unwrap(), "safe\n");
    assert!(!bench.path("out/tree/etc/way").is_symlink());
}
