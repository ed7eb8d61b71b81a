#include "daemon/provenance/capture.h"

#include "tests/unit/testing.h"

namespace cairn::provenance {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::SizeIs;

// A definition of the given ops, the last of which is the target.
class Ops {
 public:
  Digest Add(pb::Op op) {
    const std::string bytes = op.SerializeAsString();
    definition_.add_def(bytes);
    last_ = Digest::Of(bytes);
    solved_[*last_] = {};
    return *last_;
  }
  Digest AddSource(const std::string& identifier, const std::string& pin) {
    pb::Op op;
    op.mutable_source()->set_identifier(identifier);
    const Digest digest = Add(op);
    solved_[digest].pin = pin;
    return digest;
  }
  Digest AddExec(const std::vector<Digest>& inputs, pb::ExecOp exec) {
    pb::Op op;
    for (const Digest& input : inputs) {
      op.add_inputs()->set_digest(input.ToString());
    }
    exec.mutable_meta()->add_args("true");
    exec.mutable_meta()->set_cwd("/");
    for (size_t i = 0; i < inputs.size(); ++i) {
      pb::Mount* mount = exec.add_mounts();
      mount->set_input(static_cast<int64_t>(i));
      mount->set_dest(i == 0 ? "/" : "/m" + std::to_string(i));
      mount->set_output(static_cast<int64_t>(i == 0 ? 0 : -1));
    }
    *op.mutable_exec() = exec;
    return Add(op);
  }
  Capture Finish() {
    pb::Op target;
    target.add_inputs()->set_digest(last_->ToString());
    definition_.add_def(target.SerializeAsString());
    const auto capture = CaptureDefinition(definition_, solved_);
    EXPECT_TRUE(capture.ok()) << capture.status();
    return capture.value_or(Capture{});
  }

 private:
  pb::Definition definition_;
  std::optional<Digest> last_;
  std::map<Digest, solver::SolvedVertex> solved_;
};

TEST(CaptureTest, TellsSourcesByTheirPins) {
  Ops ops;
  const Digest content = Digest::Of("file");
  const Digest image = ops.AddSource("docker-image://busybox", Digest::Of("image").ToString());
  const Digest file = ops.AddSource("https://user:secret@example.com/f?x=1", content.ToString());
  const Digest context = ops.AddSource("local://context", "");
  ops.AddExec({image, file, context}, {});
  const Capture capture = ops.Finish();
  ASSERT_THAT(capture.images, SizeIs(1));
  EXPECT_EQ(capture.images[0].reference, "docker.io/library/busybox:latest");
  EXPECT_EQ(capture.images[0].digest, Digest::Of("image"));
  ASSERT_THAT(capture.http, SizeIs(1));
  EXPECT_EQ(capture.http[0].url, "https://xxxxx:xxxxx@example.com/f?x=1");
  EXPECT_EQ(capture.http[0].digest, content);
  EXPECT_THAT(capture.locals, ElementsAre("context"));
  EXPECT_TRUE(capture.network_access);
}

TEST(CaptureTest, BlobsAreToldFromImages) {
  Ops ops;
  const std::string pin = Digest::Of("blob").ToString();
  const Digest pulled = ops.AddSource("docker-image+blob://example.com/a@" + pin, pin);
  const Digest given = ops.AddSource("oci-layout+blob://docker.io/not/real@" + pin, pin);
  ops.AddExec({pulled, given}, {});
  const Capture capture = ops.Finish();
  ASSERT_THAT(capture.images, SizeIs(2));
  EXPECT_TRUE(capture.images[0].blob && capture.images[1].blob);
  EXPECT_FALSE(capture.images[0].local);
  EXPECT_TRUE(capture.images[1].local);
}

TEST(CaptureTest, ASecretIsOptionalOnlyWhenAllStepsSaySo) {
  pb::ExecOp first;
  pb::Mount* mount = first.add_mounts();
  mount->set_mounttype(pb::MountType::SECRET);
  mount->set_dest("/run/secrets/token");
  mount->set_input(-1);
  mount->set_output(-1);
  mount->mutable_secretopt()->set_id("token");
  mount->mutable_secretopt()->set_optional(true);
  first.set_network(pb::NetMode::NONE);
  pb::ExecOp second = first;
  second.mutable_mounts(0)->mutable_secretopt()->set_optional(false);
  Ops ops;
  const Digest image = ops.AddSource("docker-image://a", Digest::Of("a").ToString());
  ops.AddExec({ops.AddExec({image}, first)}, second);
  const Capture capture = ops.Finish();
  ASSERT_THAT(capture.secrets, SizeIs(1));
  EXPECT_EQ(capture.secrets[0].id, "token");
  EXPECT_FALSE(capture.secrets[0].optional);
  EXPECT_FALSE(capture.network_access);
}

TEST(CaptureTest, AnImageKnownByTagIsNotToldByDigestAgain) {
  const Digest digest = Digest::Of("image");
  Capture capture;
  capture.AddImage({.reference = "docker.io/library/busybox:latest@" + digest.ToString()});
  capture.AddImage({.reference = "docker.io/library/busybox:latest"});
  capture.AddImage({.reference = "docker.io/library/alpine:3"});
  capture.Normalize();
  ASSERT_THAT(capture.images, SizeIs(2));
  EXPECT_EQ(capture.images[0].reference, "docker.io/library/alpine:3");
  EXPECT_EQ(capture.images[1].reference, "docker.io/library/busybox:latest");
}

TEST(CaptureTest, LeavesOutOptionsOfThisHostAndCredentials) {
  EXPECT_THAT(FilterArguments({{"attest:provenance", ""},
                               {"build-arg:A", "1"},
                               {"cgroup-parent", "x"},
                               {"context:base", "https://me:secret@example.com/r.git"},
                               {"platform", "linux/amd64"}}),
              ElementsAre(Pair("build-arg:A", "1"),
                          Pair("context:base", "https://xxxxx:xxxxx@example.com/r.git")));
}

}  // namespace
}  // namespace cairn::provenance
