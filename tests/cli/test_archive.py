"""Archives and streams: what readers get, and what is left when something fails. specs/archives.md"""

import fcntl
import io
import json
import os
import pty
import shutil
import signal
import subprocess
import tarfile
import time
import unicodedata

import support
from support import QWEN, Case, make_checkpoint, run, tree


def stream(*words, reader=None, env=None, **more):
    """Runs thaw into a pipe: (exit code, what the pipe gave, standard error). `reader` takes the
    reading end in place of reading all of it."""
    clean = {key: value for key, value in os.environ.items()
             if key not in ("THAW_ISA", "SOURCE_DATE_EPOCH")}
    process = subprocess.Popen([support.THAW, "convert", *map(str, words)],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=clean | (env or {}), **more)
    got = reader(process) if reader else process.stdout.read()
    process.stdout.close()
    errors = process.stderr.read().decode()
    process.stderr.close()
    return process.wait(timeout=300), got, errors


class Archive(Case):
    def convert_both(self, name="qwen2-awq-gemm", *options):
        """A directory conversion, and the same as a tar."""
        model = self.model(name)
        directory = self.work / f"{name}-directory"
        self.convert(model, directory, *options)
        code, archive, errors = stream(model, "-", "--to", "tar", *options)
        self.assertEqual(code, 0, errors)
        return directory, archive

    def extracted(self, command, archive):
        folder = self.work / f"extracted-{len(list(self.work.iterdir()))}"
        folder.mkdir()
        subprocess.run(command, input=archive, check=True, cwd=folder)
        return folder


class Readers(Archive):
    def test_every_reader_gets_the_files_of_a_directory_conversion(self):
        for name in QWEN[:2] + ("starcoder2-awq-act_scales", "llama-gptq-v1-desc_act"):
            directory, archive = self.convert_both(name, "--max-shard-size", "200kB")
            for command in (["tar", "-xf", "-"], ["bsdtar", "-xf", "-"]):
                folder = self.extracted(command, archive)
                self.assertEqual(os.listdir(folder), ["model"])
                self.assertEqual(tree(folder / "model"), tree(directory))
            folder = self.work / f"{name}-python"
            with tarfile.open(fileobj=io.BytesIO(archive), mode="r|") as opened:
                opened.extractall(folder, filter="fully_trusted")
            self.assertEqual(tree(folder / "model"), tree(directory))

    def test_compressed_archives_are_the_plain_ones_compressed(self):
        _, archive = self.convert_both()
        for level in ("1", "3", "19"):
            code, frame, errors = stream(self.model(), "-", "--to", "tar.zst", "--level", level,
                                         "--memory", "400MB")
            self.assertEqual(code, 0, errors)
            plain = subprocess.run(["zstd", "-dc"], input=frame, capture_output=True, check=True)
            self.assertEqual(plain.stdout, archive)
            subprocess.run(["bsdtar", "-tf", "-"], input=frame, check=True, capture_output=True)
        self.assertEqual(stream(self.model(), "-", "--to", "tar.zst")[1],
                         stream(self.model(), "-", "--to", "tar.zst", "--level", "1")[1])

    def test_members_come_in_an_order_that_lets_a_reader_begin(self):
        _, archive = self.convert_both("qwen2-awq-gemm", "--max-shard-size", "200kB")
        with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
            members = opened.getmembers()
        names = [member.name for member in members]
        self.assertEqual(names[:2], ["model", "model/config.json"])
        index = names.index("model/model.safetensors.index.json")
        self.assertEqual(names[index + 1:], sorted(names[index + 1:]))
        self.assertTrue(all(name.startswith("model/model-0") for name in names[index + 1:]))
        self.assertGreater(index, names.index("model/tokenizer.json"))
        for member in members:
            self.assertEqual((member.uid, member.gid, member.uname, member.gname, member.mtime),
                             (0, 0, "", "", 0))
            self.assertEqual(member.mode, 0o755 if member.isdir() else 0o644)

    def test_folders_and_names_beyond_ascii_are_carried_the_same_in_every_locale(self):
        model = self.work / "model"
        shutil.copytree(self.model(), model)
        for name in ("код/模型/vocab.txt", "cafe\u0301.md", "n" * 120 + ".py", "code/a.py"):
            (model / name).parent.mkdir(parents=True, exist_ok=True)
            (model / name).write_text(name)
        (model / "empty.txt").touch()
        self.convert(model, self.work / "directory")
        archives = {}
        for locale in ("C", "C.UTF-8", "en_US.ISO-8859-1", "tr_TR.UTF-8"):
            code, archive, errors = stream(model, "-", "--to", "tar", env={"LC_ALL": locale})
            self.assertEqual(code, 0, errors)
            archives[locale] = archive
        self.assertEqual(len(set(archives.values())), 1)
        want = tree(self.work / "directory")
        folder = self.extracted(["env", "LC_ALL=C.UTF-8", "tar", "-xf", "-"], archives["C"])
        self.assertEqual(tree(folder / "model"), want)
        # bsdtar composes the accent of a decomposed name, whoever wrote the archive.
        folder = self.extracted(["env", "LC_ALL=C.UTF-8", "bsdtar", "-xf", "-"], archives["C"])
        self.assertEqual(tree(folder / "model"),
                         {unicodedata.normalize("NFC", name): hash for name, hash in want.items()})

    def test_one_shard_alone(self):
        self.convert(self.model(), self.work / "directory")
        shard = (self.work / "directory" / "model.safetensors").read_bytes()
        code, got, errors = stream(self.model(), "-", "--to", "safetensors")
        self.assertEqual((code, got), (0, shard), errors)
        out = self.work / "alone.safetensors"
        self.convert(self.model(), out, "--to", "safetensors")
        self.assertEqual(out.read_bytes(), shard)
        several = run("convert", self.model(), "-", "--to", "safetensors", "--max-shard-size",
                      "200kB")
        self.assert_refused(several, 2, "shards", "--max-shard-size")


class SameBytes(Archive):
    def test_bytes_depend_on_neither_threads_nor_memory_nor_the_way_out(self):
        model = make_checkpoint(self.work / "toy", "--layers", "4")
        for form in ("tar", "tar.zst"):
            whole = None
            for options in (("--threads", "1"), ("--threads", "2", "--memory", "128MB"),
                            ("--threads", "7", "--memory", "1GB"), ("--isa", "scalar")):
                code, got, errors = stream(model, "-", "--to", form, *options)
                self.assertEqual(code, 0, errors)
                whole = whole or got
                self.assertEqual(got, whole, options)
            out = self.work / f"toy.{form}"
            for options in ((), ("--output-io", "buffered", "--force")):
                self.convert(model, out, *options)
                self.assertEqual(out.read_bytes(), whole)
            redirected = self.work / "redirected"
            with open(redirected, "wb") as file:
                run("convert", model, "-", "--to", form, stdout=file)
            self.assertEqual(redirected.read_bytes(), whole)

    def test_the_time_of_members_is_0_or_source_date_epoch(self):
        code, archive, _ = stream(self.model(), "-", "--to", "tar",
                                  env={"SOURCE_DATE_EPOCH": "1700000000"})
        self.assertEqual(code, 0)
        with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
            self.assertEqual({member.mtime for member in opened.getmembers()}, {1700000000})
        for bad in ("now", "-1", "99999999999999"):
            refused = run("convert", self.model(), "-", "--to", "tar",
                          env={"SOURCE_DATE_EPOCH": bad})
            self.assert_refused(refused, 2, "SOURCE_DATE_EPOCH")

    def test_the_top_folder_is_named_by_out_by_model_or_as_asked(self):
        link = self.work / "linked"
        link.symlink_to(self.model())
        shard = self.model("qwen2-awq-gemv") / "model.safetensors"
        rows = {("-", self.model(), "--to", "tar"): "model",
                ("-", f"{link}/", "--to", "tar"): "linked",
                ("-", shard, "--to", "tar"): "model",
                (self.work / "a.b.tar", self.model()): "a.b",
                (self.work / "no-ending", self.model(), "--to", "tar"): "no-ending",
                ("-", self.model(), "--to", "tar", "--archive-root", "Mine"): "Mine"}
        for (out, model, *options), root in rows.items():
            with self.subTest(root):
                code, archive, errors = stream(model, out, *options)
                self.assertEqual(code, 0, errors)
                if out != "-":
                    archive = out.read_bytes()
                with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
                    self.assertEqual({name.split("/")[0] for name in opened.getnames()}, {root})
        in_model = subprocess.run([support.THAW, "convert", ".", "-", "--to", "tar"],
                                  cwd=self.model(), capture_output=True, check=True)
        with tarfile.open(fileobj=io.BytesIO(in_model.stdout)) as opened:
            self.assertEqual(opened.getnames()[0], "model")


class Plan(Archive):
    def test_a_dry_run_tells_the_form_and_writes_nothing(self):
        for out in ((), (self.work / "out.tar.zst",), ("-",)):
            shown = run("convert", self.model(), *out, "--to", "tar.zst", "--dry-run", "--json")
            self.assert_exit(shown, 0)
            plan = json.loads(shown.stdout)
            self.assertEqual(plan["to"], "tar.zst")
            self.assertEqual(plan["archive_root"], "out" if out and out[0] != "-" else "model")
            self.assertGreaterEqual(plan["memory"]["compressors"], 1)
        self.assertIn("top folder model",
                      run("convert", self.model(), "--to", "tar", "--dry-run").stdout)
        alone = run("convert", self.model(), "--to", "safetensors", "--dry-run", "--json")
        plan = json.loads(alone.stdout)
        self.assertEqual(plan["side_files"], [])
        self.assertIn("tokenizer.json", plan["not_carried"])
        self.assertEqual(plan["bytes_out"], plan["shards"][0]["bytes"])
        self.assertEqual(list(self.work.iterdir()), [])

    def test_the_report_counts_the_archive(self):
        out, report = self.work / "out.tar.zst", self.work / "report.json"
        self.convert(self.model(), out, "--report", report)
        told = json.loads(report.read_text())
        self.assertEqual(told["stream_bytes"], out.stat().st_size)
        self.assertEqual(told["bytes_written"], told["plan"]["bytes_out"])


class Refusals(Archive):
    def test_words_that_do_not_fit_exit_2_and_write_nothing(self):
        model, out = str(self.model()), str(self.work / "out")
        rows = {
            "no format": ([model, "-"], "--to is missing"),
            "unknown format": ([model, "-", "--to", "zip"], "zip"),
            "another ending": ([model, out + ".tar", "--to", "tar.zst"], ".tar"),
            "compressed ending": ([model, out + ".tar.zst", "--to", "tar"], ".tar.zst"),
            "level of a tar": ([model, "-", "--to", "tar", "--level", "3"], "--level"),
            "level of a directory": ([model, out, "--level", "3"], "--level"),
            "level 0": ([model, "-", "--to", "tar.zst", "--level", "0"], "1 to 22"),
            "level 23": ([model, "-", "--to", "tar.zst", "--level", "23"], "1 to 22"),
            "level in words": ([model, "-", "--to", "tar.zst", "--level", "best"], "best"),
            "root of a directory": ([model, out, "--archive-root", "x"], "--archive-root"),
            "root with a slash": ([model, "-", "--to", "tar", "--archive-root", "a/b"], "a/b"),
            "root above": ([model, "-", "--to", "tar", "--archive-root", ".."], ".."),
            "report beside it": ([model, "-", "--to", "tar", "--report", "-"], "report"),
            "force of a pipe": ([model, "-", "--to", "tar", "--force"], "--force"),
            "into the model": ([model, model + "/out.tar"], "lies inside the input"),
            "the shard itself": ([model, model + "/model-00001-of-00002.safetensors", "--to",
                                  "safetensors", "--force"], "lies inside the input"),
            "a folder": ([model, out + "/", "--to", "tar"], "directory"),
            "other compressors": ([model, out + ".tar.gz"], "ending"),
            "safetensors unasked": ([model, out + ".safetensors"], "--to safetensors"),
        }
        for name, (words, fragment) in rows.items():
            with self.subTest(name):
                self.assert_refused(run("convert", *words), 2, fragment)
                self.assertEqual(list(self.work.iterdir()), [])

    def test_a_terminal_takes_no_archive(self):
        master, slave = pty.openpty()
        result = run("convert", self.model(), "-", "--to", "tar", stdout=slave)
        os.close(slave)
        self.assert_refused(result, 2, "terminal")
        os.set_blocking(master, False)
        with self.assertRaises(OSError):  # closed on the other side, and empty
            os.read(master, 1)
        os.close(master)

    def test_a_closed_standard_output_is_an_error_and_no_file_gets_the_bytes(self):
        command = f'exec "{support.THAW}" convert "$1" - --to tar >&-'
        result = subprocess.run(["sh", "-c", command, "sh", str(self.model())],
                                capture_output=True, text=True)
        self.assert_refused(result, 5, "standard output")
        command = f'exec "{support.THAW}" convert "$1" "$2" --report - >&-'
        result = subprocess.run(["sh", "-c", command, "sh", str(self.model()),
                                 str(self.work / "out")], capture_output=True, text=True)
        self.assertEqual(result.returncode, 5)
        self.convert(self.model(), self.work / "other")
        self.assertEqual(tree(self.work / "out"), tree(self.work / "other"))

    def test_what_stands_at_out_is_replaced_only_with_force_and_only_a_file(self):
        out = self.work / "out.tar"
        out.write_text("mine")
        self.assert_refused(run("convert", self.model(), out), 2, "exists already")
        self.assertEqual(out.read_text(), "mine")
        self.convert(self.model(), out, "--force")
        self.assertTrue(tarfile.is_tarfile(out))
        (self.work / "folder.tar").mkdir()
        for options in ((), ("--force",)):
            self.assert_refused(run("convert", self.model(), self.work / "folder.tar", *options), 2,
                                "not a regular file")
        partial = self.work / "new.tar.partial"
        partial.write_text("also mine")
        self.assert_refused(run("convert", self.model(), self.work / "new.tar"), 2,
                            "not made by thaw")
        self.assertEqual(partial.read_text(), "also mine")

    def test_a_level_that_does_not_fit_says_what_would(self):
        result = run("convert", self.model(), "-", "--to", "tar.zst", "--level", "22")
        self.assert_refused(result, 6, "expected at least", "--memory", "--level 19")
        needed = result.stderr.split("expected at least ")[1].split(" MB")[0]
        self.assertGreater(int(needed), 1000)
        small = run("convert", self.model(), "-", "--to", "tar.zst", "--memory", "64MB")
        self.assert_refused(small, 6, "expected at least")
        needed = small.stderr.split("expected at least ")[1].split(" MB")[0]
        code, _, errors = stream(self.model(), "-", "--to", "tar.zst", "--memory", needed + "MB")
        self.assertEqual(code, 0, errors)


class Failures(Archive):
    def setUp(self):
        super().setUp()
        # 10 MB of output: more than any pipe holds.
        self.toy = make_checkpoint(self.work / "toy", "--layers", "8")

    def test_a_closed_pipe_is_one_line_and_exit_5_at_every_stage(self):
        for form in ("tar", "tar.zst", "safetensors"):
            for count in (0, 1, 600, 100_000, 3_000_000):
                def take_some(process, most=count):
                    return process.stdout.read(most) if most else b""
                code, got, errors = stream(self.toy, "-", "--to", form, reader=take_some)
                self.assertEqual((code, len(got)), (5, count), errors)
                self.assertEqual(errors.splitlines()[3:],  # after what the run was going to do
                                 ["thaw: standard output: cannot be written: Broken pipe"])

    def test_an_overflow_leaves_no_end_in_a_stream_and_no_file(self):
        model = self.overflowing()
        for form, reader in (("tar", ["tar", "-tf", "-"]), ("tar.zst", ["zstd", "-t"])):
            code, got, errors = stream(model, "-", "--to", form)
            self.assertEqual(code, 4, errors)
            self.assertIn("become infinite", errors)
            self.assertNotEqual(subprocess.run(reader, input=got, capture_output=True).returncode, 0)
            out = self.work / f"out.{form}"
            self.assert_refused(run("convert", model, out), 4, "is removed")
            self.assertEqual([path for path in self.work.iterdir() if "out" in path.name], [])

    def overflowing(self):
        """A model whose last tensor does not fit float16, with enough before it."""
        model = self.work / "overflowing"
        make_checkpoint(model, "--layers", "8", "--max-shard-size", "100GB")
        shard = support.Shard(model / "model.safetensors")
        tensors = {name: (entry["dtype"], entry["shape"], shard.read(name))
                   for name, entry in shard.tensors.items()}
        tensors["zzz.weight"] = ("BF16", [4], b"\x80\x7e" * 4)
        support.write_safetensors(model / "model.safetensors", tensors)
        config = json.loads((model / "config.json").read_text())
        config["torch_dtype"] = "float16"
        (model / "config.json").write_text(json.dumps(config))
        return model

    def test_a_signal_ends_a_stream_even_while_nobody_reads(self):
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            def wait_and_signal(process, number=number):
                process.stdout.read(1000)
                time.sleep(0.3)
                process.send_signal(number)
                process.wait(timeout=20)  # without reading on
                return process.stdout.read()
            ended, got, errors = stream(self.toy, "-", "--to", "tar", reader=wait_and_signal,
                                        preexec_fn=lambda: signal.signal(signal.SIGINT,
                                                                         signal.SIG_DFL))
            self.assertEqual(ended, code, errors)
            self.assertLess(len(got), 2_000_000)
            self.assertEqual(errors.splitlines()[3:], ["thaw: stopped by a signal"])

    def test_a_reader_that_is_slow_gets_everything(self):
        whole = stream(self.toy, "-", "--to", "tar")[1]

        def read_slowly(process):
            got = b""
            while part := process.stdout.read1(700_000):
                got += part
                time.sleep(0.02)
            return got
        code, got, errors = stream(self.toy, "-", "--to", "tar", reader=read_slowly)
        self.assertEqual(code, 0, errors)
        self.assertEqual(got, whole)

    def test_a_descriptor_that_came_non_blocking_stays_so_and_works(self):
        whole = stream(self.toy, "-", "--to", "tar")[1]
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        process = subprocess.Popen([support.THAW, "convert", self.toy, "-", "--to", "tar", "-q"],
                                   stdout=writing)
        flags = fcntl.fcntl(writing, fcntl.F_GETFL)
        os.close(writing)
        with open(reading, "rb") as pipe:
            got = pipe.read()
        self.assertEqual(process.wait(timeout=60), 0)
        self.assertEqual(got, whole)
        self.assertTrue(flags & os.O_NONBLOCK)

    def test_a_killed_run_leaves_what_the_next_one_takes_over(self):
        big = make_checkpoint(self.work / "big", "--shape", "llama-3-8b", "--layers",
                              "1" if support.QUICK else "3", "--vocabulary", "1024")
        for form in ("tar", "tar.zst"):
            out = self.work / f"big.{form}"
            partial = self.work / f"big.{form}.partial"
            process = subprocess.Popen([support.THAW, "convert", big, out, "--isa", "scalar", "-q"])
            deadline = time.monotonic() + 60
            while not partial.exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(0.2)
            second = run("convert", big, out)
            process.kill()
            process.wait()
            self.assert_refused(second, 8, "another run")
            self.assertFalse(out.exists())
            self.assertTrue(partial.exists())
            self.convert(big, out)
            self.assertFalse(partial.exists())
            out.unlink()

    def test_sigusr1_prints_one_line_of_progress(self):
        def signal_twice(process):
            process.stdout.read(1000)
            for _ in range(2):
                process.send_signal(signal.SIGUSR1)
                time.sleep(0.4)
            return process.stdout.read()
        code, _, errors = stream(self.toy, "-", "--to", "tar", "--progress", "none",
                                 reader=signal_twice)
        self.assertEqual(code, 0, errors)
        lines = [line for line in errors.splitlines() if line.startswith("converting: ")]
        self.assertEqual(len(lines), 2, errors)
        self.assertRegex(lines[0], r"^converting: \d+ %, .* of 10\.\d MB")

    def test_a_bar_is_shown_while_standard_output_is_a_pipe(self):
        master, slave = pty.openpty()
        process = subprocess.Popen([support.THAW, "convert", self.toy, "-", "--to", "tar"],
                                   stdout=subprocess.PIPE, stderr=slave,
                                   env=os.environ | {"TERM": "xterm"})
        os.close(slave)
        process.stdout.read()
        process.stdout.close()
        shown = b""
        try:
            while part := os.read(master, 65536):
                shown += part
        except OSError:
            pass
        os.close(master)
        self.assertEqual(process.wait(timeout=60), 0)
        self.assertIn(b"\r", shown)
        self.assertIn(b"\x1b[K", shown)
