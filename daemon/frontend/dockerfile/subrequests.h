// Subrequests: questions about a Dockerfile that are answered without building it (attribute
// "requestid"): its targets, its parameters, its failed checks, its LLB.
//
// Answers are metadata of a result without a filesystem: "result.json", "result.txt", "version",
// and for checks "result.statuscode".
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/frontend/dockerfile/converter.h"
#include "daemon/frontend/dockerfile/linter.h"
#include "daemon/llb/source_location.h"
#include "proto/ops.pb.h"
#include "runtime/base/status.h"

namespace cairn::dockerfile {

using ResultMetadata = std::map<std::string, std::string>;

// "frontend.subrequests.describe": which subrequests there are.
ResultMetadata DescribeSubrequests();

// "frontend.targets": the stages of `dockerfile`.
StatusOr<ResultMetadata> ListTargets(const std::string& dockerfile);

// "frontend.outline": what the chosen target takes.
ResultMetadata DescribeOutline(const Outline& outline, const std::string& dockerfile);

// "frontend.lint": the checks that failed, and the error that ended the conversion if one did.
ResultMetadata DescribeWarnings(const std::vector<LintWarning>& warnings, const Status& error,
                                const llb::SourceFile& file);

// "frontend.convertllb": the definition, op by op.
StatusOr<ResultMetadata> DescribeDefinition(const pb::Definition& definition);

}  // namespace cairn::dockerfile
