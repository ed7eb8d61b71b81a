// Dockerfile -> a readable dump of the graph and the image config, compared with files in testdata.
// Run with CAIRN_UPDATE_GOLDEN=1 to write them anew; then read the difference before committing it.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "daemon/frontend/dockerfile/converter.h"
#include "daemon/llb/graph.h"
#include "tests/unit/daemon/frontend/dockerfile/fake_sources.h"
#include "tests/unit/testing.h"

namespace cairn::dockerfile {
namespace {

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// One paragraph for each vertex; inputs are numbers of earlier paragraphs.
std::string DumpGraph(const llb::Output& target) {
  const StatusOr<llb::Graph> graph = llb::Graph::LoadOrScratch(llb::Marshal(target));
  if (!graph.ok()) {
    return absl::StrCat("invalid graph: ", graph.status().ToString());
  }
  std::map<Digest, size_t> numbers;
  std::string text;
  for (const auto& vertex : graph->vertices()) {
    const size_t number = numbers.size() + 1;
    numbers.emplace(vertex->digest, number);
    absl::StrAppend(&text, "#", number, " ", vertex->name, "\n");
    for (const llb::Edge& input : vertex->inputs) {
      absl::StrAppend(&text, "  input #", numbers.at(input.vertex),
                      input.index == 0 ? "" : absl::StrCat(":", input.index), "\n");
    }
    for (const llb::SourceLocation& location : vertex->locations) {
      absl::StrAppend(&text, "  lines ", location.ranges.front().start.line, "-",
                      location.ranges.back().end.line, "\n");
    }
    if (vertex->metadata->ignore_cache()) {
      absl::StrAppend(&text, "  ignores the cache\n");
    }
    if (vertex->metadata->has_progress_group()) {
      absl::StrAppend(&text, "  group ", vertex->metadata->progress_group().name(),
                      vertex->metadata->progress_group().weak() ? " (weak)" : "", "\n");
    }
    pb::Op op = *vertex->op;
    op.clear_inputs();
    op.clear_constraints();
    std::istringstream lines(op.DebugString());
    for (std::string line; std::getline(lines, line);) {
      absl::StrAppend(&text, "  ", line, "\n");
    }
  }
  return text.empty() ? "scratch\n" : text;
}

class GoldenTest : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenTest, Converts) {
  const std::filesystem::path folder =
      std::filesystem::path(CAIRN_SOURCE_DIR) / "tests/unit/daemon/frontend/dockerfile/testdata";
  const std::string dockerfile = ReadFile(folder / (GetParam() + ".Dockerfile"));
  FakeResolver resolver;
  resolver.configs["docker.io/library/onbuild:latest"] =
      R"({"architecture":"amd64","os":"linux","config":{"OnBuild":["COPY . /src","RUN make",)"
      R"("COPY --from=tools /bin/t /bin/"]},"rootfs":{"type":"layers","diff_ids":["sha256:1"]}})";
  FakeContexts contexts;
  const auto source = std::make_shared<llb::SourceFile>(llb::SourceFile{
      .filename = "Dockerfile", .language = "Dockerfile", .data = dockerfile, .definition = {}});
  std::string warnings;
  ConvertOptions options;
  // Options are written at the top of the file: "# option: key=value".
  std::map<std::string, std::string> attributes;
  std::istringstream lines(dockerfile);
  for (std::string line; std::getline(lines, line);) {
    const std::string prefix = "# option: ";
    const size_t equals = line.find('=');
    if (line.rfind(prefix, 0) == 0 && equals != std::string::npos) {
      attributes[line.substr(prefix.size(), equals - prefix.size())] = line.substr(equals + 1);
    }
  }
  ASSERT_OK_AND_ASSIGN(options.build, BuildOptions::Parse(attributes));
  options.build_platforms = {LinuxAmd64()};
  if (!options.build.target_platforms.empty()) {
    options.target_platform = options.build.target_platforms[0];
  }
  options.source = source;
  options.resolver = &resolver;
  options.contexts = &contexts;
  options.warn = [&](const LintWarning& warning) {
    absl::StrAppend(&warnings, "warning ", warning.rule->name, " line ",
                    warning.location.empty() ? 0 : warning.location[0].start.line, ": ",
                    warning.message, "\n");
  };

  const StatusOr<Converted> converted = Convert(dockerfile, options);
  std::string actual = warnings;
  if (!converted.ok()) {
    absl::StrAppend(&actual, "error: ", converted.status().message(), "\n");
  } else {
    absl::StrAppend(&actual, DumpGraph(converted->output));
    absl::StrAppend(&actual, nlohmann::ordered_json::parse(converted->image.ToJson()).dump(2),
                    "\n");
  }

  const std::filesystem::path expected = folder / (GetParam() + ".expected");
  if (getenv("CAIRN_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(expected, std::ios::binary) << actual;
  }
  EXPECT_EQ(actual, ReadFile(expected));
}

std::vector<std::string> Cases() {
  std::vector<std::string> cases;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(CAIRN_SOURCE_DIR) /
                                           "tests/unit/daemon/frontend/dockerfile/testdata")) {
    if (entry.path().extension() == ".Dockerfile") {
      cases.push_back(entry.path().stem().string());
    }
  }
  std::sort(cases.begin(), cases.end());
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Files, GoldenTest, ::testing::ValuesIn(Cases()),
                         [](const ::testing::TestParamInfo<std::string>& test) {
                           return test.param;
                         });

}  // namespace
}  // namespace cairn::dockerfile
