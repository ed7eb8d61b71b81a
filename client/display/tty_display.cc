#include "client/display/tty_display.h"

#include <sys/ioctl.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "client/display/text.h"
#include "runtime/base/thread_pool.h"

namespace cairn::client {
namespace {

constexpr size_t kShownLines = 6;
constexpr char kBlue[] = "\x1b[34m";
constexpr char kRed[] = "\x1b[31m";
constexpr char kYellow[] = "\x1b[33m";
constexpr char kFaint[] = "\x1b[2m";
constexpr char kReset[] = "\x1b[0m";

winsize WindowOf(std::FILE* file) {
  winsize size{};
  if (::ioctl(::fileno(file), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
    size.ws_col = 80;
    size.ws_row = 24;
  }
  return size;
}

// Control characters would move the cursor under our feet.
std::string Printable(string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\t') {
      out += "  ";
    } else if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) {
      out += c;
    }
  }
  return out;
}

// At most `width` bytes, not cutting a UTF-8 character in two.
std::string Cut(std::string text, size_t width) {
  if (text.size() <= width) {
    return text;
  }
  size_t end = width;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) {
    --end;
  }
  return text.substr(0, end);
}

// `left` and `right` at the two edges of a line `width` wide.
std::string Justify(std::string left, const std::string& right, size_t width, const char* color) {
  const size_t room = width > right.size() + 1 ? width - right.size() - 1 : 0;
  left = Cut(std::move(left), room);
  const std::string gap(room - left.size() + 1, ' ');
  return absl::StrCat(color, left, gap, right, *color != '\0' ? kReset : "");
}

}  // namespace

TtyDisplay::TtyDisplay(std::FILE* out) : out_(out), started_(absl::Now()) {
  redraw_ = StartThread("display", [this] {
    while (!stop_.token().WaitFor(absl::Milliseconds(100))) {
      MutexLock lock(mu_);
      Draw(false);
    }
  });
}

TtyDisplay::~TtyDisplay() { StopRedrawing(); }

void TtyDisplay::StopRedrawing() {
  stop_.Cancel();
  if (redraw_.joinable()) {
    redraw_.join();
  }
}

void TtyDisplay::Update(const moby::buildkit::v1::StatusResponse& message) {
  MutexLock lock(mu_);
  model_.Apply(message);
}

std::vector<std::string> TtyDisplay::Lines(int width, int height, bool last) {
  const absl::Time now = absl::Now();
  std::vector<std::string> lines;
  for (const std::string& digest : model_.order()) {
    const VertexView& vertex = model_.vertex(digest);
    const bool cancelled = absl::EndsWith(vertex.error, "context canceled");
    std::string prefix = " => ";
    const char* color = "";
    if (vertex.cached && vertex.error.empty()) {
      prefix = " => CACHED ";
      color = kBlue;
    } else if (cancelled) {
      prefix = " => CANCELED ";
      color = kYellow;
    } else if (!vertex.error.empty()) {
      prefix = " => ERROR ";
      color = kRed;
    } else if (vertex.completed()) {
      color = kBlue;
    }
    lines.push_back(Justify(prefix + Printable(vertex.name), FormatSeconds(vertex.elapsed(now)),
                            static_cast<size_t>(width), color));
    for (const TaskView& task : vertex.tasks) {
      lines.push_back(
          Cut(" => => " + Printable(FormatTask(task, now)), static_cast<size_t>(width)));
    }
    if (!vertex.running() || last) {
      continue;
    }
    const size_t skip = vertex.tail.size() - std::min(vertex.tail.size(), kShownLines);
    for (size_t i = skip; i < vertex.tail.size(); ++i) {
      lines.push_back(absl::StrCat(
          kFaint, Cut(" => => # " + Printable(vertex.tail[i]), static_cast<size_t>(width)),
          kReset));
    }
  }
  // What scrolled out of the window cannot be redrawn: keep the newest lines.
  const size_t room = static_cast<size_t>(std::max(height - 2, 3));
  if (!last && lines.size() > room) {
    lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(room));
  }
  const std::string state = !last ? "" : failed_ ? " ERROR" : " FINISHED";
  lines.insert(lines.begin(),
               absl::StrFormat("[+] Building %s (%d/%d)%s", FormatSeconds(now - started_),
                               model_.completed(), model_.total(), state));
  return lines;
}

void TtyDisplay::Draw(bool last) {
  if (model_.order().empty() && !last) {
    return;
  }
  const winsize window = WindowOf(out_);
  std::string frame = "\x1b[?25l";  // no cursor while drawing
  if (drawn_lines_ > 0) {
    absl::StrAppend(&frame, "\x1b[", drawn_lines_, "A");
  }
  const std::vector<std::string> lines = Lines(window.ws_col, window.ws_row, last);
  for (const std::string& line : lines) {
    absl::StrAppend(&frame, "\r", line, "\x1b[K\n");
  }
  absl::StrAppend(&frame, "\x1b[J\x1b[?25h");
  drawn_lines_ = lines.size();
  std::fwrite(frame.data(), 1, frame.size(), out_);
  std::fflush(out_);
}

void TtyDisplay::Finish(const Status& result) {
  StopRedrawing();
  MutexLock lock(mu_);
  failed_ = !result.ok();
  Draw(true);
  if (failed_) {
    absl::FPrintF(out_, "%s", FailureReport(model_));
  }
  absl::FPrintF(out_, "%s", WarningReport(model_));
  std::fflush(out_);
}

}  // namespace cairn::client
