#include "daemon/solver/vertex_errors.h"

#include "daemon/llb/errors.h"
#include "daemon/solver/solved_ref.h"

namespace cairn::solver {
namespace {

errdefs::Source SourceOf(const llb::SourceLocation& location) {
  errdefs::Source source;
  pb::SourceInfo& info = *source.mutable_info();
  info.set_filename(location.file->filename);
  info.set_data(location.file->data);
  info.set_language(location.file->language);
  if (location.file->definition != nullptr) {
    *info.mutable_definition() = *location.file->definition;
  }
  for (const llb::SourceRange& range : location.ranges) {
    pb::Range& out = *source.add_ranges();
    out.mutable_start()->set_line(range.start.line);
    out.mutable_start()->set_character(range.start.character);
    out.mutable_end()->set_line(range.end.line);
    out.mutable_end()->set_character(range.end.character);
  }
  return source;
}

}  // namespace

Status WithVertexDetails(Status status, const llb::Vertex& vertex) {
  if (status.ok() || absl::IsCancelled(status) || llb::VertexOf(status)) {
    return status;
  }
  for (const llb::SourceLocation& location : vertex.locations) {
    status = llb::WithSource(std::move(status), SourceOf(location));
  }
  return llb::WithVertex(std::move(status), vertex.digest);
}

Status WithKeyInput(const Status& status, const llb::Vertex& vertex,
                    const std::vector<layer::Chain>& inputs,
                    const std::function<std::string(RefPtr)>& keep) {
  std::optional<errdefs::Solve> solve = llb::SolveOf(status);
  if (!solve.has_value() || !solve->has_cache()) {
    return status;
  }
  const int64_t index = solve->cache().index();
  if (index < 0 || index >= static_cast<int64_t>(inputs.size())) {
    return status;
  }
  *solve->mutable_op() = *vertex.op;
  *solve->mutable_description() = vertex.metadata->description();
  solve->add_inputids(keep(MakeSolvedRef(inputs[static_cast<size_t>(index)])));
  return llb::WithSolve(status, *solve);
}

}  // namespace cairn::solver
