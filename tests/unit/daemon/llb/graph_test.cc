#include "daemon/llb/graph.h"

#include <algorithm>
#include <string>

#include "daemon/llb/builder.h"
#include "daemon/llb/capabilities.h"
#include "proto/ops.pb.h"
#include "tests/unit/testing.h"

namespace cairn::llb {
namespace {

using ::cairn::testing::StatusIs;
using ::testing::HasSubstr;

// Appends `op` to `definition`; returns the digest of its bytes.
std::string Append(pb::Definition& definition, const pb::Op& op) {
  definition.add_def(op.SerializeAsString());
  return Digest::Of(definition.def(definition.def_size() - 1)).ToString();
}

pb::Op SourceOp(const std::string& identifier) {
  pb::Op op;
  op.mutable_source()->set_identifier(identifier);
  return op;
}

pb::Op Head(const std::string& digest, int64_t index = 0) {
  pb::Op op;
  op.add_inputs()->set_digest(digest);
  op.mutable_inputs(0)->set_index(index);
  return op;
}

pb::Op ExecOp(const std::string& input) {
  pb::Op op;
  op.add_inputs()->set_digest(input);
  op.mutable_exec()->mutable_meta()->add_args("true");
  op.mutable_exec()->add_mounts()->set_dest("/");
  return op;
}

TEST(GraphTest, KeepsOriginalBytesAndDigests) {
  pb::Definition definition;
  const std::string source = Append(definition, SourceOp("docker-image://busybox"));
  const std::string exec = Append(definition, ExecOp(source));
  Append(definition, Head(exec));

  ASSERT_OK_AND_ASSIGN(const Graph graph, Graph::Load(definition));

  ASSERT_EQ(graph.vertices().size(), 2u);
  EXPECT_EQ(graph.vertices()[0]->digest.ToString(), source);
  EXPECT_EQ(graph.vertices()[1]->digest.ToString(), exec);
  EXPECT_EQ(graph.vertices()[1]->bytes, definition.def(1));
  EXPECT_EQ(graph.vertices()[1]->name, "true");
  EXPECT_EQ(graph.vertices()[1]->inputs[0].vertex, graph.vertices()[0]->digest);
  EXPECT_EQ(graph.target()->vertex.ToString(), exec);
}

// An attribute that is not known was passed over, and something else was built.
TEST(GraphTest, UnknownCapabilitiesAreRefused) {
  pb::Definition definition;
  const std::string source = Append(definition, SourceOp("docker-image://busybox"));
  Append(definition, Head(source));
  auto& caps = *(*definition.mutable_metadata())[source].mutable_caps();
  caps["source.image"] = true;
  EXPECT_OK(Graph::Load(definition));
  caps["source.image.upsidedown"] = true;
  EXPECT_THAT(Graph::Load(definition),
              StatusIs(absl::StatusCode::kUnimplemented,
                       HasSubstr("unknown API capability source.image.upsidedown")));
}

TEST(GraphTest, CapabilitiesAreSortedAndDistinct) {
  const std::vector<std::string>& known = Capabilities();
  EXPECT_TRUE(std::is_sorted(known.begin(), known.end()));
  EXPECT_EQ(std::adjacent_find(known.begin(), known.end()), known.end());
}

TEST(GraphTest, DropsVerticesTheTargetDoesNotNeed) {
  pb::Definition definition;
  const std::string used = Append(definition, SourceOp("docker-image://a"));
  Append(definition, SourceOp("docker-image://b"));
  Append(definition, Head(used));

  ASSERT_OK_AND_ASSIGN(const Graph graph, Graph::Load(definition));

  EXPECT_EQ(graph.vertices().size(), 1u);
}

TEST(GraphTest, ReadsMetadataAndLocations) {
  pb::Definition definition;
  const std::string source = Append(definition, SourceOp("docker-image://a"));
  Append(definition, Head(source));
  (*(*definition.mutable_metadata())[source].mutable_description())["llb.customname"] = "FROM a";
  definition.mutable_source()->add_infos()->set_filename("Dockerfile");
  pb::Range* range =
      (*definition.mutable_source()->mutable_locations())[source].add_locations()->add_ranges();
  range->mutable_start()->set_line(3);
  range->mutable_end()->set_line(3);

  ASSERT_OK_AND_ASSIGN(const Graph graph, Graph::Load(definition));

  const Vertex& vertex = *graph.vertices()[0];
  EXPECT_EQ(vertex.name, "FROM a");
  ASSERT_EQ(vertex.locations.size(), 1u);
  EXPECT_EQ(vertex.locations[0].file->filename, "Dockerfile");
  EXPECT_EQ(vertex.locations[0].ranges[0].start.line, 3);
}

TEST(GraphTest, EmptyDefinitionIsScratchOnlyWhereAllowed) {
  EXPECT_THAT(Graph::Load(pb::Definition()),
              StatusIs(absl::StatusCode::kInvalidArgument, "invalid empty definition"));
  ASSERT_OK_AND_ASSIGN(const Graph graph, Graph::LoadOrScratch(pb::Definition()));
  EXPECT_FALSE(graph.target().has_value());
}

TEST(GraphTest, RefusesMalformedDefinitions) {
  const std::string absent = Digest::Of("absent").ToString();
  {
    pb::Definition definition;
    Append(definition, SourceOp("docker-image://a"));
    EXPECT_THAT(Graph::Load(definition),
                StatusIs(absl::StatusCode::kInvalidArgument, "invalid LLB with 1 vertexes"));
    Append(definition, pb::Op());
    EXPECT_THAT(Graph::Load(definition), StatusIs(absl::StatusCode::kInvalidArgument,
                                                  "invalid LLB with no inputs on last vertex"));
  }
  {
    pb::Definition definition;
    const std::string exec = Append(definition, ExecOp(absent));
    Append(definition, Head(exec));
    EXPECT_THAT(Graph::Load(definition),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("invalid missing input digest " + absent)));
  }
  {
    pb::Definition definition;
    const std::string source = Append(definition, SourceOp("docker-image://a"));
    Append(definition, Head(source, -1));
    EXPECT_THAT(Graph::Load(definition),
                StatusIs(absl::StatusCode::kInvalidArgument, "invalid input 0 output index -1"));
  }
  {
    pb::Definition definition;
    definition.add_def("\xff\xff");
    definition.add_def("");
    EXPECT_THAT(Graph::Load(definition),
                StatusIs(absl::StatusCode::kInvalidArgument, "failed to parse llb proto op"));
  }
}

TEST(GraphTest, RefusesDefinitionsAboveItsLimits) {
  pb::Definition definition;
  std::string previous = Append(definition, SourceOp("docker-image://a"));
  for (int i = 0; i < 20; ++i) {
    previous = Append(definition, ExecOp(previous));
  }
  Append(definition, Head(previous));

  EXPECT_OK(Graph::Load(definition));
  EXPECT_THAT(Graph::Load(definition, {.max_vertices = 10}),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("too large")));
  EXPECT_THAT(Graph::Load(definition, {.max_depth = 10}),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("too deep")));
  EXPECT_THAT(Graph::Load(definition, {.max_inputs = 10}),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("inputs")));
  EXPECT_THAT(Graph::Load(definition, {.max_bytes = 100}),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("bytes")));
}

TEST(GraphTest, DeepChainsDoNotUseTheStack) {
  pb::Definition definition;
  std::string previous = Append(definition, SourceOp("docker-image://a"));
  for (int i = 0; i < 9'000; ++i) {
    previous = Append(definition, ExecOp(previous));
  }
  Append(definition, Head(previous));

  ASSERT_OK_AND_ASSIGN(const Graph graph, Graph::Load(definition));

  EXPECT_EQ(graph.vertices().size(), 9'001u);
}

TEST(ValidateTest, RefusesIndexesOutOfRange) {
  const auto load = [](const pb::Op& op) {
    pb::Definition definition;
    const std::string digest = Append(definition, op);
    Append(definition, Head(digest));
    return Graph::Load(definition).status();
  };
  pb::Op exec;
  exec.mutable_exec();
  EXPECT_THAT(load(exec),
              StatusIs(absl::StatusCode::kInvalidArgument, "invalid exec op with no meta"));
  exec.mutable_exec()->mutable_meta()->add_args("true");
  EXPECT_THAT(load(exec),
              StatusIs(absl::StatusCode::kInvalidArgument, "invalid exec op with no mounts"));
  exec.mutable_exec()->add_mounts()->set_dest("/x");
  exec.mutable_exec()->mutable_mounts(0)->set_input(-1);
  EXPECT_THAT(load(exec),
              StatusIs(absl::StatusCode::kInvalidArgument, "invalid exec op with no rootfs"));
  exec.mutable_exec()->mutable_mounts(0)->set_dest("/");
  EXPECT_OK(load(exec));
  exec.mutable_exec()->mutable_mounts(0)->set_input(3);
  EXPECT_THAT(load(exec),
              StatusIs(absl::StatusCode::kInvalidArgument, "invalid mount input index 3"));

  pb::Op file;
  file.mutable_file();
  EXPECT_THAT(load(file),
              StatusIs(absl::StatusCode::kInvalidArgument, "invalid file op with no actions"));
  pb::FileAction* action = file.mutable_file()->add_actions();
  action->set_input(-1);
  action->set_secondaryinput(-1);
  EXPECT_THAT(load(file), StatusIs(absl::StatusCode::kInvalidArgument, "invalid nil file action"));
  action->mutable_rm()->set_path("/x");
  EXPECT_OK(load(file));
  action->set_input(0);  // its own result
  EXPECT_THAT(load(file),
              StatusIs(absl::StatusCode::kInvalidArgument, "invalid file action input index 0"));

  pb::Op merge;
  merge.mutable_merge()->add_inputs()->set_input(4);
  EXPECT_THAT(load(merge),
              StatusIs(absl::StatusCode::kInvalidArgument, "invalid merge input index 4"));
  pb::Op diff;
  diff.mutable_diff()->mutable_lower()->set_input(-1);
  EXPECT_THAT(load(diff), StatusIs(absl::StatusCode::kInvalidArgument,
                                   "invalid diff op with nil lower or upper input"));
}

TEST(VertexNameTest, IsMadeFromTheOp) {
  pb::Definition definition;
  pb::Op file;
  pb::FileAction* copy = file.mutable_file()->add_actions();
  copy->set_input(-1);
  copy->set_secondaryinput(-1);
  copy->mutable_copy()->set_src("/a");
  copy->mutable_copy()->set_dest("/b");
  pb::FileAction* mkdir = file.mutable_file()->add_actions();
  mkdir->set_input(0);
  mkdir->set_secondaryinput(-1);
  mkdir->mutable_mkdir()->set_path("/x");
  const std::string file_digest = Append(definition, file);
  const std::string source = Append(definition, SourceOp("docker-image://a"));
  pb::Op merge;
  merge.add_inputs()->set_digest(file_digest);
  merge.add_inputs()->set_digest(source);
  merge.mutable_merge()->add_inputs()->set_input(0);
  merge.mutable_merge()->add_inputs()->set_input(1);
  const std::string merge_digest = Append(definition, merge);
  pb::Op diff;
  diff.add_inputs()->set_digest(merge_digest);
  diff.mutable_diff()->mutable_lower()->set_input(-1);
  diff.mutable_diff()->mutable_upper()->set_input(0);
  Append(definition, Head(Append(definition, diff)));

  ASSERT_OK_AND_ASSIGN(const Graph graph, Graph::Load(definition));

  EXPECT_EQ(graph.vertices().back()->name,
            "diff scratch -> (merge (copy /a /b, mkdir /x, docker-image://a))");
}

TEST(BuilderTest, MarshalsWhatTheGraphReads) {
  const Output image = Source("docker-image://a");
  image.node->SetName("FROM a");
  auto exec = std::make_shared<Node>();
  exec->op.mutable_exec()->mutable_meta()->add_args("true");
  pb::Mount* mount = exec->op.mutable_exec()->add_mounts();
  mount->set_dest("/");
  mount->set_input(exec->AddInput(image));
  auto file = std::make_shared<SourceFile>(SourceFile{.filename = "Dockerfile",
                                                      .language = "Dockerfile",
                                                      .data = "FROM a\nRUN true",
                                                      .definition = nullptr});
  exec->locations.push_back({file, {{{2, 0}, {2, 0}}}});

  const pb::Definition definition = Marshal(Output{exec});
  ASSERT_OK_AND_ASSIGN(const Graph graph, Graph::Load(definition));

  ASSERT_EQ(graph.vertices().size(), 2u);
  EXPECT_EQ(graph.vertices()[0]->name, "FROM a");
  EXPECT_EQ(graph.vertices()[1]->locations[0].ranges[0].start.line, 2);
  EXPECT_EQ(graph.vertices()[1]->digest, DigestOf(Output{exec}));
  EXPECT_EQ(Marshal(FromGraph(graph)).def(1), definition.def(1));
}

TEST(BuilderTest, MergeNeedsTwoInputs) {
  const Output a = Source("docker-image://a");
  EXPECT_TRUE(Merge({Output(), Output()}).is_scratch());
  EXPECT_EQ(Merge({Output(), a}), a);
  EXPECT_EQ(Merge({a, Source("docker-image://b")}).node->inputs.size(), 2u);
}

}  // namespace
}  // namespace cairn::llb
