// What is exported is read back by programs that are not ours: skopeo, umoci, podman.
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runtime/base/digest.h"
#include "runtime/base/fd.h"
#include "tests/e2e/fixture.h"

namespace cairn::e2e {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

// A stage with what layers can hold: links, modes, owners, extended names, a whiteout.
constexpr char kManyKinds[] =
    "FROM busybox\n"
    "LABEL team=build\n"
    "RUN mkdir -p /d/sub && echo data > /d/file && ln /d/file /d/hard && ln -s file /d/soft && "
    "chmod 4755 /d/file && chown 1000:1000 /d/sub && mkfifo /d/fifo && echo gone > /d/gone\n"
    "RUN rm /d/gone\n"
    "COPY a.txt /a.txt\n"
    "ENTRYPOINT [\"/bin/cat\", \"/a.txt\"]\n";

constexpr char kCopyOnly[] = "FROM scratch\nCOPY a.txt /a.txt\n";

class ArchiveTest : public DaemonTest {
 protected:
  void SetUp() override {
    DaemonTest::SetUp();
    WriteContext("a.txt", "hello\n");
  }

  CommandOutput Export(const std::string& dockerfile, const std::string& output,
                       std::vector<std::string> more = {}) {
    more.insert(more.end(), {"-o", output});
    return Build(dockerfile, more);
  }

  // `skopeo copy <arguments>`.
  CommandOutput Copy(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"skopeo", "--insecure-policy", "copy"});
    return RunProgram(std::move(arguments));
  }

  // Unpacks the image `reference` ("layout:tag") with umoci to `name` and checks kManyKinds' files.
  void ExpectUnpacks(const std::string& reference, const std::string& name) {
    const CommandOutput unpacked =
        RunProgram({"umoci", "unpack", "--image", directory_ / reference, directory_ / name});
    ASSERT_EQ(unpacked.exit_code, 0) << unpacked.err;
    const std::string root = name + "/rootfs";
    EXPECT_EQ(directory_.Read(root + "/a.txt"), "hello\n");
    EXPECT_EQ(directory_.Read(root + "/d/soft"), "data\n");
    EXPECT_FALSE(std::filesystem::exists(directory_ / (root + "/d/gone")));
    struct stat file {};
    struct stat hard {};
    struct stat sub {};
    ASSERT_EQ(::stat((directory_ / (root + "/d/file")).c_str(), &file), 0);
    ASSERT_EQ(::stat((directory_ / (root + "/d/hard")).c_str(), &hard), 0);
    ASSERT_EQ(::stat((directory_ / (root + "/d/sub")).c_str(), &sub), 0);
    EXPECT_EQ(file.st_mode & 07777, 04755U);
    EXPECT_EQ(file.st_ino, hard.st_ino);
    EXPECT_EQ(sub.st_uid, 1000U);
    EXPECT_TRUE(std::filesystem::is_fifo(directory_ / (root + "/d/fifo")));
  }

  json ReadJson(const std::string& path) {
    return json::parse(directory_.Read(path), nullptr, false);
  }

  // The document that a descriptor of the layout in `layout` names.
  json ReadBlob(const std::string& layout, const json& descriptor) {
    const std::string digest = descriptor["digest"];
    return ReadJson(layout + "/blobs/sha256/" + digest.substr(digest.find(':') + 1));
  }

  // Extracts a tar of the test's directory into a new directory.
  void Extract(const std::string& tar, const std::string& into) {
    std::filesystem::create_directories(directory_ / into);
    const CommandOutput extracted =
        RunProgram({"tar", "-C", directory_ / into, "-xf", directory_ / tar});
    ASSERT_EQ(extracted.exit_code, 0) << extracted.err;
  }

  // Files of `directory` that are named by a digest and have another's content.
  std::vector<std::string> WrongDigests(const std::string& directory) {
    std::vector<std::string> wrong;
    for (const auto& file : std::filesystem::recursive_directory_iterator(directory_ / directory)) {
      const StatusOr<Digest> digest = Digest::FromHex(file.path().filename().string());
      const StatusOr<std::string> data = ReadFile(file.path().string(), 64 << 20);
      if (digest.ok() && (!data.ok() || Digest::Of(*data) != *digest)) {
        wrong.push_back(file.path().filename().string());
      }
    }
    return wrong;
  }
};

struct Form {
  std::string type;
  std::string attributes;
  std::string layer_type;
  bool umoci;  // 0.4 reads no zstd, and no Docker media types
};

class ArchiveFormTest : public ArchiveTest, public ::testing::WithParamInterface<Form> {};

TEST_P(ArchiveFormTest, IsReadBySkopeoAndUmoci) {
  const Form& form = GetParam();
  const CommandOutput built = Export(
      kManyKinds, absl::StrCat("type=", form.type, ",name=app:1.0,dest=", directory_ / "image.tar",
                               ",force-compression=true,", form.attributes));
  ASSERT_EQ(built.exit_code, 0) << built.err;

  const std::string archive = absl::StrCat(form.type, "-archive:", directory_ / "image.tar");
  const CommandOutput inspected = RunProgram({"skopeo", "inspect", archive});
  ASSERT_EQ(inspected.exit_code, 0) << inspected.err;
  EXPECT_EQ(json::parse(inspected.out)["Labels"]["team"], "build");
  const CommandOutput copied = Copy({archive, "oci:" + (directory_ / "copy") + ":1.0"});
  ASSERT_EQ(copied.exit_code, 0) << copied.err;

  // Every archive is an image layout as well, whatever else is in it.
  Extract("image.tar", "layout");
  EXPECT_THAT(WrongDigests("layout"), IsEmpty());
  const json manifest = ReadBlob("layout", ReadJson("layout/index.json")["manifests"][0]);
  for (const json& layer : manifest["layers"]) {
    EXPECT_EQ(layer["mediaType"], form.layer_type);
  }
  if (form.umoci) {
    ExpectUnpacks("layout:1.0", "bundle");
    ExpectUnpacks("copy:1.0", "bundle-of-copy");
  }
}

INSTANTIATE_TEST_SUITE_P(
    Forms, ArchiveFormTest,
    ::testing::Values(
        Form{"oci", "compression=gzip", "application/vnd.oci.image.layer.v1.tar+gzip", true},
        Form{"oci", "compression=zstd", "application/vnd.oci.image.layer.v1.tar+zstd", false},
        Form{"oci", "compression=uncompressed", "application/vnd.oci.image.layer.v1.tar", true},
        Form{"oci", "oci-mediatypes=false", "application/vnd.docker.image.rootfs.diff.tar.gzip",
             false},
        Form{"docker", "compression=gzip", "application/vnd.oci.image.layer.v1.tar+gzip", true},
        Form{"docker", "oci-mediatypes=false", "application/vnd.docker.image.rootfs.diff.tar.gzip",
             false}),
    [](const ::testing::TestParamInfo<Form>& info) {
      std::string name = absl::StrCat(info.param.type, "_", info.param.attributes);
      std::replace_if(
          name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
      return name;
    });

TEST_F(ArchiveTest, IsLoadedByPodman) {
  if (!HasProgram("podman")) {
    GTEST_SKIP() << "podman is not installed";
  }
  const std::vector<std::string> podman = {"podman",    "--root",           directory_ / "pod",
                                           "--runroot", directory_ / "run", "--storage-driver=vfs"};
  const auto run = [&podman](const std::vector<std::string>& arguments) {
    std::vector<std::string> argv = podman;
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return RunProgram(argv);
  };
  for (const std::string type : {"docker", "oci"}) {
    const std::string tar = directory_ / (type + ".tar");
    const std::string name = absl::StrCat("from-", type, ":2");
    const CommandOutput built =
        Export(kManyKinds, absl::StrCat("type=", type, ",name=", name, ",dest=", tar));
    ASSERT_EQ(built.exit_code, 0) << built.err;
    const CommandOutput loaded = run({"load", "-i", tar});
    ASSERT_EQ(loaded.exit_code, 0) << loaded.err;
    EXPECT_THAT(loaded.out, HasSubstr("docker.io/library/" + name));
    const CommandOutput mounted = run({"image", "mount", name});
    ASSERT_EQ(mounted.exit_code, 0) << mounted.err;
    const std::string root(absl::StripAsciiWhitespace(mounted.out));
    EXPECT_THAT(ReadFile(root + "/a.txt"), testing::IsOkAndHolds("hello\n"));
    EXPECT_FALSE(std::filesystem::exists(root + "/d/gone"));
    EXPECT_EQ(run({"image", "unmount", name}).exit_code, 0);
  }
}

TEST_F(ArchiveTest, HoldsEveryName) {
  const std::string tar = directory_ / "names.tar";
  const CommandOutput built = Export(kCopyOnly, "type=docker,dest=" + tar,
                                     {"-t", "first:1", "-t", "registry.test:5000/team/second"});
  ASSERT_EQ(built.exit_code, 0) << built.err;
  const CommandOutput listed = RunProgram({"skopeo", "list-tags", "docker-archive:" + tar});
  ASSERT_EQ(listed.exit_code, 0) << listed.err;
  EXPECT_THAT(json::parse(listed.out)["Tags"].get<std::vector<std::string>>(),
              UnorderedElementsAre("first:1", "registry.test:5000/team/second:latest"));
  for (const char* name : {"first:1", "registry.test:5000/team/second:latest"}) {
    EXPECT_EQ(RunProgram({"skopeo", "inspect", absl::StrCat("docker-archive:", tar, ":", name)})
                  .exit_code,
              0);
  }
}

TEST_F(ArchiveTest, MultiPlatformArchiveHoldsAnImageForEach) {
  const std::string tar = directory_ / "multi.tar";
  const CommandOutput built = Export(kCopyOnly, "type=oci,name=multi:1,dest=" + tar,
                                     {"--platform", "linux/amd64,linux/arm64"});
  ASSERT_EQ(built.exit_code, 0) << built.err;
  const CommandOutput copied =
      Copy({"--all", "oci-archive:" + tar, "oci:" + (directory_ / "copy") + ":1"});
  ASSERT_EQ(copied.exit_code, 0) << copied.err;
  for (const std::string architecture : {"amd64", "arm64"}) {
    const CommandOutput inspected =
        RunProgram({"skopeo", "inspect", "--override-arch", architecture,
                    "oci:" + (directory_ / "copy") + ":1"});
    ASSERT_EQ(inspected.exit_code, 0) << inspected.err;
    EXPECT_EQ(json::parse(inspected.out)["Architecture"], architecture);
  }
}

TEST_F(ArchiveTest, MultiPlatformIsRefusedByTheDockerFormat) {
  const CommandOutput built =
      Export(kCopyOnly, "type=docker,name=multi:1,dest=" + (directory_ / "multi.tar"),
             {"--platform", "linux/amd64,linux/arm64"});
  EXPECT_EQ(built.exit_code, 1);
  EXPECT_THAT(built.err,
              HasSubstr("docker exporter does not currently support exporting manifest lists"));
  EXPECT_FALSE(std::filesystem::exists(directory_ / "multi.tar"));
}

TEST_F(ArchiveTest, AnnotationsGoWhereTheyAreAskedFor) {
  const CommandOutput built = Export(
      kCopyOnly,
      absl::StrCat("type=oci,dest=", directory_ / "a.tar",
                   ",annotation.all=1,annotation-index.index=2,annotation[linux/arm64].arm=3,"
                   "annotation-manifest-descriptor.entry=4"),
      {"--platform", "linux/amd64,linux/arm64"});
  ASSERT_EQ(built.exit_code, 0) << built.err;
  Extract("a.tar", "layout");
  const json index = ReadBlob("layout", ReadJson("layout/index.json")["manifests"][0]);
  EXPECT_EQ(index["annotations"], json({{"index", "2"}}));
  ASSERT_EQ(index["manifests"].size(), 2U);
  for (const json& entry : index["manifests"]) {
    EXPECT_EQ(entry["annotations"], json({{"entry", "4"}}));
    json wanted = {{"all", "1"}};
    if (entry["platform"]["architecture"] == "arm64") {
      wanted["arm"] = "3";
    }
    EXPECT_EQ(ReadBlob("layout", entry)["annotations"], wanted);
  }
}

TEST_F(ArchiveTest, WithoutTarTheLayoutIsADirectoryThatTakesMoreImages) {
  const std::string layout = directory_ / "layout";
  const std::string output = "type=oci,tar=false,dest=" + layout;
  ASSERT_EQ(Export(kManyKinds, output + ",name=app:1").exit_code, 0);
  ASSERT_EQ(Export(kCopyOnly, output + ",name=app:2").exit_code, 0);
  const CommandOutput again = Export(kManyKinds, output + ",name=app:1");
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(WrongDigests("layout"), IsEmpty());
  const CommandOutput listed = RunProgram({"umoci", "ls", "--layout", layout});
  ASSERT_EQ(listed.exit_code, 0) << listed.err;
  EXPECT_THAT(absl::StrSplit(listed.out, '\n', absl::SkipEmpty()), UnorderedElementsAre("1", "2"));
  ExpectUnpacks("layout:1", "bundle");
  const CommandOutput checked = Copy({"oci:" + layout + ":2", "dir:" + (directory_ / "copy")});
  EXPECT_EQ(checked.exit_code, 0) << checked.err;
}

class PushTest : public ArchiveTest {
 protected:
  void SetUp() override {
    ArchiveTest::SetUp();
    ASSERT_OK_AND_ASSIGN(registry_, Registry::Start(directory_.path()));
  }

  std::string Name(const std::string& repository) const {
    return registry_->host() + "/" + repository;
  }

  // Pulls with skopeo as files named by digest; every digest is checked against the bytes.
  void ExpectPulls(const std::string& name, const std::string& pushed_digest,
                   const std::vector<std::string>& flags = {}) {
    std::vector<std::string> arguments = {"--src-tls-verify=false", "docker://" + name,
                                          "dir:" + (directory_ / "pulled")};
    arguments.insert(arguments.begin(), flags.begin(), flags.end());
    std::filesystem::remove_all(directory_ / "pulled");
    const CommandOutput pulled = Copy(std::move(arguments));
    ASSERT_EQ(pulled.exit_code, 0) << pulled.err;
    EXPECT_THAT(WrongDigests("pulled"), IsEmpty());
    EXPECT_EQ(Digest::Of(directory_.Read("pulled/manifest.json")).ToString(), pushed_digest);
  }

  // What the build wrote to its metadata file.
  std::string PushedDigest() {
    return ReadJson("metadata.json").value("containerimage.digest", "none");
  }

  CommandOutput Push(const std::string& dockerfile, const std::string& name,
                     const std::string& attributes = "", std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--metadata-file", directory_ / "metadata.json"});
    return Export(dockerfile, absl::StrCat("type=image,push=true,name=", name, attributes),
                  std::move(more));
  }

  std::unique_ptr<Registry> registry_;
};

TEST_F(PushTest, SkopeoPullsWhatWasPushed) {
  for (const std::string attributes :
       {"", ",compression=zstd,force-compression=true", ",oci-mediatypes=false"}) {
    const CommandOutput pushed = Push(kManyKinds, Name("app:1"), attributes);
    ASSERT_EQ(pushed.exit_code, 0) << pushed.err;
    ExpectPulls(Name("app:1"), PushedDigest());
  }
}

TEST_F(PushTest, SkopeoPullsEveryPlatform) {
  const CommandOutput pushed =
      Push(kCopyOnly, Name("multi:1"), "", {"--platform", "linux/amd64,linux/arm64"});
  ASSERT_EQ(pushed.exit_code, 0) << pushed.err;
  ExpectPulls(Name("multi:1"), PushedDigest(), {"--all"});
  const json index = ReadJson("pulled/manifest.json");
  std::set<std::string> architectures;
  for (const json& entry : index["manifests"]) {
    architectures.insert(entry["platform"]["architecture"]);
  }
  EXPECT_THAT(architectures, ElementsAre("amd64", "arm64"));
}

}  // namespace
}  // namespace cairn::e2e
