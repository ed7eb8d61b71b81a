// Where in a source text (a Dockerfile, mostly) a vertex or an error comes from.
//
// Lines count from 1, as clients show them; characters count from 0 and are 0 when a whole line is
// meant (pb.Range, errdefs.Source). Plain values.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace pb {
class Definition;
}  // namespace pb

namespace cairn::llb {

struct SourcePosition {
  int32_t line = 0;
  int32_t character = 0;

  friend auto operator<=>(const SourcePosition&, const SourcePosition&) = default;
};

struct SourceRange {
  SourcePosition start;
  SourcePosition end;

  friend auto operator<=>(const SourceRange&, const SourceRange&) = default;
};

// A source text. `definition` is the LLB that produced the text (may be null); clients use it to
// name the origin of a warning.
struct SourceFile {
  std::string filename;
  std::string language;  // "Dockerfile"
  std::string data;
  std::shared_ptr<const pb::Definition> definition;
};

struct SourceLocation {
  std::shared_ptr<const SourceFile> file;  // never null; shared by all locations of one text
  std::vector<SourceRange> ranges;
};

}  // namespace cairn::llb
