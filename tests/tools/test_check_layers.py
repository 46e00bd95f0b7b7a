"""The layer check finds what is planted, and nothing else."""
import pathlib
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import check_layers  # noqa: E402


def violations(path, text):
    with tempfile.TemporaryDirectory() as root:
        file = pathlib.Path(root, "src", path)
        file.parent.mkdir(parents=True)
        file.write_text(text, encoding="utf-8")
        return check_layers.check_tree(root)[1]


class CheckLayers(unittest.TestCase):
    def test_accepts_arrows_that_run_forward(self):
        self.assertEqual(violations("core/swarm/engine.cpp",
                                    '#include "core/swarm/engine.hpp"\n#include <vector>\n#include "core/wire/reader.hpp"\n'), [])
        self.assertEqual(violations("net/udp.cpp", '#include <boost/asio.hpp>\n#include <sys/socket.h>\n#include "core/swarm/engine.hpp"\n'), [])

    def test_finds_arrows_that_run_back(self):
        for path, header in [("core/wire/x.cpp", "core/swarm/engine.hpp"), ("core/tree/x.hpp", "core/wire/messages.hpp"),
                             ("base/x.cpp", "crypto/hash.hpp"), ("store/x.cpp", "net/udp.hpp"), ("net/x.cpp", "media/sessions.hpp"),
                             ("media/x.cpp", "store/file_store.hpp"), ("core/discovery/x.cpp", "core/swarm/engine.hpp"),
                             ("player/x.cpp", "node/node.hpp"), ("player/x.cpp", "tracker/server.hpp"), ("node/x.cpp", "cli/main.hpp"),
                             ("media_helper/x.cpp", "media/sessions.hpp"), ("media_helper/x.cpp", "crypto/hash.hpp")]:
            with self.subTest(path=path, header=header):
                found = violations(path, f'// first line\n#include "{header}"\n')
                self.assertEqual(len(found), 1)
                self.assertTrue(found[0].startswith(f"src/{path}:2: "), found)

    def test_lets_the_media_helper_have_its_messages(self):
        self.assertEqual(violations("media_helper/x.cpp", '#include "media/helper_messages.hpp"\n#include "media/session_types.hpp"\n'), [])

    def test_finds_libraries_where_they_do_not_belong(self):
        for path, header in [("core/swarm/x.cpp", "boost/asio.hpp"), ("core/swarm/x.cpp", "openssl/evp.h"), ("player/x.cpp", "sqlite3.h"),
                             ("base/x.cpp", "spdlog/spdlog.h"), ("node/x.cpp", "libavformat/avformat.h"), ("base/x.cpp", "sys/socket.h")]:
            with self.subTest(path=path, header=header):
                self.assertEqual(len(violations(path, f"#include <{header}>\n")), 1)
        self.assertEqual(violations("base/log.cpp", "#include <spdlog/spdlog.h>\n#include <mutex>\n"), [])

    def test_finds_clocks_threads_files_and_randomness_in_the_pure_folders(self):
        for code in ["auto t = std::chrono::steady_clock::now();", "std::random_device d;", "std::thread t;", "#include <fstream>",
                     "#include <mutex>", "int x = std::rand();", 'auto f = fopen("x", "r");', 'auto v = getenv("HOME");']:
            with self.subTest(code=code):
                self.assertEqual(len(violations("core/swarm/x.cpp", code + "\n")), 1)
                self.assertEqual(len(violations("base/x.cpp", code + "\n")), 1)
        self.assertEqual(violations("net/x.cpp", "auto t = std::chrono::steady_clock::now();\n#include <thread>\n"), [])

    def test_does_not_mind_what_comments_and_texts_say(self):
        self.assertEqual(violations("core/swarm/x.cpp", '// std::thread\n/* steady_clock::now()\n std::rand */ auto s = "std::thread";\n'), [])

    def test_finds_a_folder_that_nobody_listed(self):
        self.assertEqual(len(violations("helpers/x.cpp", "int x;\n")), 1)
        self.assertEqual(len(violations("core/swarm/x.cpp", '#include "helpers/x.hpp"\n')), 1)

    def test_finds_an_empty_tree(self):
        with tempfile.TemporaryDirectory() as root:
            self.assertEqual(check_layers.check_tree(root), (0, []))

    def test_this_tree_holds(self):
        count, found = check_layers.check_tree(ROOT)
        self.assertGreater(count, 0)
        self.assertEqual(found, [])


if __name__ == "__main__":
    unittest.main()
