// Heredocs: "<<NAME", "<<-NAME", "<<'NAME'" and the lines up to NAME.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/base/status.h"

namespace cairn::dockerfile {

struct Heredoc {
  std::string name;
  bool expands = true;       // variables in the content count: no part of the name was quoted
  bool strips_tabs = false;  // "<<-"
  std::string content;       // as written, line ends and leading tabs kept
};

// The heredoc that `word` announces, without content; nullopt when it announces none.
StatusOr<std::optional<Heredoc>> ParseHeredoc(string_view word);

// All heredocs that an instruction's line announces, in order.
StatusOr<std::vector<Heredoc>> FindHeredocs(string_view line);

// `content` without the tabs at the beginning of lines.
std::string StripLeadingTabs(string_view content);

}  // namespace cairn::dockerfile
