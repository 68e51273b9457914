"""org/name in the local Hugging Face cache, with its links."""

import os

from support import Case, run, tree

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Cache(Case):
    def make_cache(self, hub):
        """The cache's own layout: blobs, and snapshots of links to them."""
        repository = hub / "models--org--name"
        snapshot = repository / "snapshots" / COMMIT
        snapshot.mkdir(parents=True)
        (repository / "blobs").mkdir()
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text(COMMIT)
        for i, file in enumerate(sorted(self.model().iterdir())):
            blob = repository / "blobs" / f"{i:064x}"
            blob.write_bytes(file.read_bytes())
            (snapshot / file.name).symlink_to(os.path.relpath(blob, snapshot))

    def check(self, name, env, cwd=None):
        out = self.work / "out"
        result = run("convert", name, out, "--force", env=env, cwd=cwd)
        self.assert_exit(result, 0)
        self.assertEqual(tree(out), self.expected)

    def test_all_places_and_revisions(self):
        self.convert(self.model(), self.work / "plain")
        self.expected = tree(self.work / "plain")
        home = self.work / "home"
        self.make_cache(home / ".cache" / "huggingface" / "hub")
        hub = home / ".cache" / "huggingface" / "hub"
        self.check("org/name", {"HF_HUB_CACHE": str(hub)})
        self.check("org/name@main", {"HF_HUB_CACHE": str(hub)})
        self.check(f"org/name@{COMMIT}", {"HF_HUB_CACHE": str(hub)})
        self.check("org/name", {"HF_HOME": str(home / ".cache" / "huggingface")})
        self.check("org/name", {"HOME": str(home)})
        missing = run("convert", "org/name@other", self.work / "no", env={"HF_HUB_CACHE": str(hub)})
        self.assert_refused(missing, 3, "other")

    def test_a_local_path_wins_over_the_cache(self):
        self.make_cache(self.work / "hub")
        local = self.work / "org" / "name"
        local.mkdir(parents=True)
        result = run("convert", "org/name", self.work / "out", cwd=self.work,
                     env={"HF_HUB_CACHE": str(self.work / "hub")})
        self.assert_refused(result, 3)  # the local folder is empty
