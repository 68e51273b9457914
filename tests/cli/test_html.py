"""The file of --html from outside: specs/cli.md clause 2.19. What is on it: tests/html."""

import json
import os
import re

from support import Case, run


class Html(Case):
    def setUp(self):
        super().setUp()
        self.page = self.work / "page.html"
        self.other = self.model("qwen2-awq-gemv_fast")

    def left(self):
        return sorted(path.name for path in self.work.iterdir())

    def data(self, text):
        (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text,
                              re.DOTALL)
        return json.loads(found)

    def test_the_page_stands_beside_the_usual_output(self):
        for words in (["compare", self.model(), self.other], ["inspect", self.model()]):
            for json_too in ([], ["--json"]):
                result = run(*words, *json_too, "--html", self.page)
                self.assert_exit(result, 0)
                self.assertEqual(result.stdout, run(*words, *json_too).stdout)
                text = self.page.read_text("utf-8")
                self.assertTrue(text.startswith("<!doctype html>"))
                self.assertTrue(text.endswith("</html>\n"))
                self.assertEqual(self.left(), ["page.html"])
        self.assertEqual(len(self.data(text)["rows"]), 27)

    def test_standard_output_takes_the_page_alone(self):
        for words in (["compare", self.model(), self.other], ["inspect", self.model()]):
            self.assert_exit(run(*words, "--html", self.page), 0)
            result = run(*words, "--html", "-")
            self.assert_exit(result, 0)
            self.assertEqual(result.stdout, self.page.read_text("utf-8"))
            self.assert_refused(run(*words, "--html", "-", "--json"), 2, "--json")

    # specs/reports.md clause 1.1.
    def test_the_page_does_not_depend_on_threads_memory_or_isa(self):
        words = ["compare", self.model(), self.other, "--html", "-"]
        first = run(*words).stdout
        for options in (["--threads", "1"], ["--threads", "5"], ["--memory", "128MB"],
                        ["--isa", "scalar"]):
            self.assertEqual(run(*words, *options).stdout, first)

    def test_a_difference_is_exit_7_and_a_page(self):
        result = run("compare", self.model(), self.other, "--fail-above", "1e-9", "--html",
                     self.page)
        self.assert_exit(result, 7)
        self.assertIn("B is further from A than 1.00e-9", self.page.read_text("utf-8"))

    def test_a_failure_leaves_no_page_and_the_old_one(self):
        for words in (["compare", self.model(), self.work / "none"],
                      ["inspect", self.work / "none"]):
            self.assert_refused(run(*words, "--html", self.page), 3)
            self.assertEqual(self.left(), [])
            self.page.write_text("<!doctype html> old")
            self.assert_refused(run(*words, "--html", self.page), 3)
            self.assertEqual(self.page.read_text(), "<!doctype html> old")
            self.assertEqual(self.left(), ["page.html"])
            self.page.unlink()

    def test_what_is_no_page_is_not_replaced(self):
        for words in (["compare", self.model(), self.other], ["inspect", self.model()]):
            for name, content in (("model.safetensors", b"\x10\0\0\0\0\0\0\0{"), ("x", b"<")):
                path = self.work / name
                path.write_bytes(content)
                self.assert_refused(run(*words, "--html", path), 2, name, "no page")
                self.assertEqual(path.read_bytes(), content)
                path.unlink()
            empty = self.work / "empty.html"
            empty.touch()
            self.assert_exit(run(*words, "--html", empty), 0)
            self.assert_exit(run(*words, "--html", empty), 0)
            self.assertEqual(self.left(), ["empty.html"])
            empty.unlink()

    def test_a_place_that_cannot_be_written(self):
        for words in (["compare", self.model(), self.other], ["inspect", self.model()]):
            self.assert_refused(run(*words, "--html", self.work / "no" / "x.html"), 2, "x.html")
            self.assert_refused(run(*words, "--html", self.work), 2)
            self.assert_refused(run(*words, "--html", "/dev/full"), 5, "/dev/full")

    def test_a_pipe_takes_the_page(self):
        pipe = self.work / "pipe"
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        self.assert_exit(run("inspect", self.model(), "--html", pipe), 0)
        self.assertTrue(os.read(reader, 100).startswith(b"<!doctype html>"))

    # specs/cli.md clause 4.2.
    def test_inspect_lists_every_tensor(self):
        found = json.loads(run("inspect", self.model("qwen3moe-ct-w4a16-sym"), "--json").stdout)
        quantized = [tensor for tensor in found["tensors"] if "bits" in tensor]
        self.assertEqual(len(quantized), sum(group["count"] for group in found["linears"]))
        for key, of_group in (("bytes", "packed_bytes"), ("float_bytes", "float_bytes")):
            self.assertEqual(sum(tensor[key] for tensor in quantized),
                             sum(group[of_group] for group in found["linears"]))
        others = [tensor for tensor in found["tensors"] if "bits" not in tensor]
        self.assertEqual(len(others), sum(one["tensors"] for one in found["other_tensors"]))
        self.assertEqual(sum(tensor["bytes"] for tensor in others),
                         sum(one["bytes"] for one in found["other_tensors"]))
        (one,) = [t for t in quantized if t["name"].endswith("layers.1.self_attn.q_proj.weight")]
        self.assertEqual((one["layer"], one["bits"], len(one["shape"])), (1, 4, 2))
