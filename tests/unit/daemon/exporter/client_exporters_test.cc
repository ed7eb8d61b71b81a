// The exporters that write at the client, with a client in this process.

#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "cache/registry/manifest.h"
#include "daemon/exporter/tree_listing.h"
#include "proto/file_sync.grpc.pb.h"
#include "runtime/fs/tar_reader.h"
#include "tests/unit/daemon/exporter/exporter_fixture.h"
#include "tests/unit/daemon/session/fake_client.h"

namespace cairn::exporter {
namespace {

using ::cairn::testing::StatusIs;
using moby::filesync::v1::BytesMessage;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Keeps the tar that is sent, and the metadata with it.
class ReceivingFileSend final : public moby::filesync::v1::FileSend::Service {
 public:
  grpc::Status DiffCopy(grpc::ServerContext* context,
                        grpc::ServerReaderWriter<BytesMessage, BytesMessage>* stream) override {
    for (const auto& [key, value] : context->client_metadata()) {
      metadata[std::string(key.data(), key.size())] = std::string(value.data(), value.size());
    }
    BytesMessage message;
    while (stream->Read(&message)) {
      tar += message.data();
    }
    return grpc::Status::OK;
  }
  std::string tar;
  std::map<std::string, std::string> metadata;
};

class ClientExportersTest : public ExporterTest {
 protected:
  void SetUp() override {
    ExporterTest::SetUp();
    client_ = std::make_unique<session::FakeClient>(
        std::vector<grpc::Service*>{&receiver_},
        std::vector<std::string>{"/moby.filesync.v1.filesend/diffcopy"});
    sessions_.Add(client_->shared_session());
  }
  void TearDown() override { sessions_.Remove(client_->session()); }

  // What the client got: path -> data, directories with a slash.
  std::map<std::string, std::string> Received() {
    std::map<std::string, std::string> files;
    fs::StringSource source(receiver_.tar);
    fs::TarReader reader(source);
    for (;;) {
      const StatusOr<std::optional<fs::TarEntry>> entry = reader.Next();
      EXPECT_OK(entry);
      if (!entry.ok() || !entry->has_value()) {
        return files;
      }
      const bool directory = (*entry)->kind == fs::Kind::kDirectory;
      files[(*entry)->path + (directory ? "/" : "")] = *fs::ReadToEnd(reader, 1 << 24);
    }
  }

  SolvedResult Result() {
    SolvedResult result;
    result.single.emplace(ChainOf({{"d/", ""}, {"d/f", "data"}, {"d.txt", "x"}}));
    return result;
  }

  ReceivingFileSend receiver_;
  std::unique_ptr<session::FakeClient> client_;
};

TEST_F(ClientExportersTest, OciArchive) {
  ASSERT_OK_AND_ASSIGN(auto response, Export("oci", {{"name", "foo/bar:1"}}, Result()));
  EXPECT_EQ(response["image.name"], "docker.io/foo/bar:1");
  EXPECT_EQ(receiver_.metadata["exporter-md-containerimage.digest"],
            response["containerimage.digest"]);
  std::map<std::string, std::string> files = Received();
  EXPECT_EQ(files["oci-layout"], "{\"imageLayoutVersion\":\"1.0.0\"}");
  EXPECT_EQ(files.count("manifest.json"), 0u);
  const auto index = nlohmann::json::parse(files["index.json"]);
  const auto& entry = index["manifests"][0];
  EXPECT_EQ(entry["digest"], response["containerimage.digest"]);
  EXPECT_EQ(entry["annotations"]["io.containerd.image.name"], "docker.io/foo/bar:1");
  EXPECT_EQ(entry["annotations"]["org.opencontainers.image.ref.name"], "1");
  int blobs = 0;
  for (const auto& [path, data] : files) {
    if (path.starts_with("blobs/sha256/") && path.back() != '/') {
      EXPECT_EQ(path, "blobs/sha256/" + Digest::Of(data).hex());
      ++blobs;
    }
  }
  EXPECT_EQ(blobs, 3);
}

TEST_F(ClientExportersTest, DockerArchive) {
  ASSERT_OK(Export("docker", {{"name", "foo/bar:1"}}, Result()));
  std::map<std::string, std::string> files = Received();
  const auto manifest = nlohmann::json::parse(files["manifest.json"]);
  EXPECT_EQ(manifest[0]["RepoTags"][0], "foo/bar:1");
  EXPECT_EQ(files.count(manifest[0]["Config"].get<std::string>()), 1u);
  EXPECT_EQ(files.count(manifest[0]["Layers"][0].get<std::string>()), 1u);
  SolvedResult map;
  map.by_platform["linux/amd64"] = std::nullopt;
  EXPECT_THAT(Export("docker", {}, map),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("manifest lists")));
}

TEST_F(ClientExportersTest, TarOfTheFiles) {
  ASSERT_OK(Export("tar", {}, Result()));
  const std::map<std::string, std::string> expected = {{"d/", ""}, {"d/f", "data"}, {"d.txt", "x"}};
  EXPECT_EQ(Received(), expected);
}

// platform-split=true put one platform's files into a directory of a tar, and false those of two
// platforms on top of each other: BuildKit's tars ask only whether there are several.
TEST_F(ClientExportersTest, TarSplitsSeveralPlatformsAlone) {
  ASSERT_OK(Export("tar", {{"platform-split", "true"}}, Result()));
  EXPECT_EQ(Received().count("d.txt"), 1u);
}

// What was half sent could not be sent again once the bytes were made anew.
TEST_F(ClientExportersTest, NothingIsSentWhenBytesAreMissing) {
  const SolvedResult result = Result();
  lease_.reset();  // what it has seen stays
  ASSERT_OK(blobs_->Remove({Digest::Of("x")}, [](const Digest&) {}));
  lease_ = ledger_->NewLease();
  for (const char* type : {"tar", "local", "oci"}) {
    EXPECT_EQ(Export(type, {}, result).status().code(), absl::StatusCode::kNotFound) << type;
  }
  EXPECT_TRUE(receiver_.metadata.empty());
}

TEST_F(ClientExportersTest, StatementsAreAboutTheFilesUnlessTheySayOtherwise) {
  SolvedResult result = Result();
  result.attestations["linux/amd64"] = {
      {.predicate_type = "t",
       .predicate = [] { return "{\"a\": [1, {}], \"b\": \"x: , {\"}"; },
       .file_name = "a.json"},
      {.predicate_type = "t",
       .predicate = [] { return ""; },
       .subjects = {{.raw = true, .digests = {"sha256:00ff"}, .name = "n"}},
       .file_name = "b.json"}};
  result.metadata["containerimage.config"] = R"({"os":"linux","architecture":"amd64"})";
  ASSERT_OK(Export("tar", {{"attestation-prefix", "p."}}, result));
  std::map<std::string, std::string> files = Received();
  EXPECT_THAT(files["p.a.json"],
              HasSubstr("  \"predicate\": {\n    \"a\": [\n      1,\n      {}\n    ],\n    "
                        "\"b\": \"x: , {\"\n  }\n}"));
  const auto own = nlohmann::json::parse(files["p.a.json"]);
  EXPECT_EQ(own["subject"].size(), 2u);
  EXPECT_EQ(own["subject"][0]["name"], "d/f");
  const auto quoted = nlohmann::json::parse(files["p.b.json"]);
  EXPECT_EQ(quoted["subject"].dump(), R"([{"digest":{"sha256":"00ff"},"name":"n"}])");
  EXPECT_TRUE(quoted["predicate"].is_null());
}

TEST_F(ClientExportersTest, NoClientIsAnError) {
  sessions_.Remove(client_->session());
  EXPECT_THAT(Export("tar", {}, Result()),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("session")));
}

TEST_F(ClientExportersTest, ListingOrderLinksAndExtraFiles) {
  tree::Editor editor(*trees_, std::nullopt);
  ASSERT_OK(editor.MakeDirectory("a", {.mode = 0700}, false));
  tree::Entry file;
  file.metadata.mode = 0644;
  file.file = *blobs_->Put("bytes");
  file.size = 5;
  file.link_group = 1;
  ASSERT_OK(editor.Put("a/one", file));
  ASSERT_OK(editor.Put("two", file));
  tree::Entry link;
  link.type = tree::Entry::Type::kSymlink;
  link.target = "a/one";
  ASSERT_OK(editor.Put("a.link", link));
  ASSERT_OK_AND_ASSIGN(const tree::TreeRef tree, editor.Commit());
  TreeListing listing(*trees_, {{.directory = "linux_amd64",
                                 .tree = tree,
                                 .extra_files = {{"b.json", "{}"}, {"z.json", "{}"}},
                                 .epoch = 7}});
  std::vector<std::string> seen;
  for (;;) {
    ASSERT_OK_AND_ASSIGN(const std::optional<ListedEntry> entry, listing.Next());
    if (!entry.has_value()) {
      break;
    }
    EXPECT_EQ(entry->stat.mtime_ns, 7'000'000'000);
    seen.push_back(entry->stat.path + (entry->stat.hard_link ? "=" : "") +
                   (entry->stat.link_name.empty() ? "" : ">" + entry->stat.link_name));
  }
  EXPECT_THAT(seen, ElementsAre("linux_amd64", "linux_amd64/a", "linux_amd64/a/one",
                                "linux_amd64/a.link>a/one", "linux_amd64/b.json",
                                "linux_amd64/two=>linux_amd64/a/one", "linux_amd64/z.json"));
}

}  // namespace
}  // namespace cairn::exporter
