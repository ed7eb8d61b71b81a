#include "daemon/llb/rewrite.h"

#include "daemon/llb/builder.h"
#include "tests/unit/testing.h"

namespace cairn::llb {
namespace {

// COPY of a file of `source`, named and with a place in a file.
Output CopyFrom(const Output& source) {
  auto node = std::make_shared<Node>();
  pb::FileAction* action = node->op.mutable_file()->add_actions();
  action->set_input(-1);
  action->set_secondaryinput(node->AddInput(source));
  action->mutable_copy()->set_src("/a");
  action->mutable_copy()->set_dest("/b");
  node->SetName("COPY a b");
  node->locations.push_back(
      {std::make_shared<SourceFile>(SourceFile{.filename = "Dockerfile"}), {{{1, 0}, {1, 0}}}});
  return Output{node};
}

TEST(RewriteTest, WhatIsMadeFromAReplacedSourceMovesAlong) {
  const pb::Definition definition = Marshal(CopyFrom(Source("docker-image://old")));
  ASSERT_OK_AND_ASSIGN(const Graph graph, Graph::Load(definition));
  pb::Op other = *graph.vertices()[0]->op;
  other.mutable_source()->set_identifier("docker-image://new");

  const pb::Definition rewritten =
      ReplaceOps(definition, graph, {{graph.vertices()[0]->digest, other}});

  ASSERT_OK_AND_ASSIGN(const Graph again, Graph::Load(rewritten));
  ASSERT_EQ(again.vertices().size(), 2u);
  EXPECT_EQ(again.vertices()[0]->op->source().identifier(), "docker-image://new");
  EXPECT_NE(again.vertices()[1]->digest, graph.vertices()[1]->digest);
  EXPECT_EQ(again.target()->vertex, again.vertices()[1]->digest);
  EXPECT_EQ(again.vertices()[1]->name, "COPY a b");
  ASSERT_EQ(again.vertices()[1]->locations.size(), 1u);
  EXPECT_EQ(again.vertices()[1]->locations[0].file->filename, "Dockerfile");
}

TEST(RewriteTest, WhatIsNotReplacedKeepsItsBytes) {
  const pb::Definition definition = Marshal(CopyFrom(Source("docker-image://old")));
  ASSERT_OK_AND_ASSIGN(const Graph graph, Graph::Load(definition));
  const pb::Definition same = ReplaceOps(definition, graph, {});
  EXPECT_EQ(same.def(0), definition.def(0));
  EXPECT_EQ(same.def(1), definition.def(1));
}

// A graph that came as an input and the one it became part of brought the same Dockerfile: it was
// told twice in provenance.
TEST(BuilderTest, OneFileIsListedOnce) {
  const Output input = CopyFrom(Source("docker-image://old"));
  const Output both = Merge({input, CopyFrom(Source("docker-image://other"))});
  EXPECT_EQ(Marshal(both).source().infos_size(), 1);
}

}  // namespace
}  // namespace cairn::llb
