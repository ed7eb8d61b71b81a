// In-toto statements (https://in-toto.io/Statement/v1): an attestation with what it is about.
#pragma once

#include <string>
#include <vector>

#include "daemon/exporter/exporter.h"
#include "runtime/base/digest.h"
#include "runtime/base/platform.h"
#include "runtime/base/status.h"

namespace cairn::exporter {

struct StatementSubject {
  std::string name;
  Digest digest;
};

// The statement as compact JSON; the predicate is taken over as it is, an empty one as null.
// `self` are the subjects that stand for the export. kInvalidArgument when the predicate is no
// JSON.
StatusOr<std::string> MakeStatement(const SolvedAttestation& attestation,
                                    const std::vector<StatementSubject>& self);

// A JSON text with a line for each value, two spaces a level.
std::string IndentJson(string_view json);

// One subject per image name (comma list): a package URL "pkg:docker/app@1?platform=linux%2Famd64".
// Names that are no references are left out.
std::vector<StatementSubject> ImageSubjects(const std::string& names, const Platform& platform,
                                            const Digest& manifest);

}  // namespace cairn::exporter
