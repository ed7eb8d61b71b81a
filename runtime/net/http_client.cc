#include "runtime/net/http_client.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/sync.h"

namespace cairn::net {
namespace {

constexpr uint64_t kMaxErrorBody = 64 << 10;
constexpr long kStallBytesPerSecond = 16;

struct FreeEasy {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct FreeMulti {
  void operator()(CURLM* handle) const { curl_multi_cleanup(handle); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

// A handle with the connections it keeps alive.
struct Connection {
  std::string origin;
  std::unique_ptr<CURLM, FreeMulti> multi;
  std::unique_ptr<CURL, FreeEasy> easy;
};

bool InitLibrary() {
  static const bool ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  return ready;
}

bool IsCredential(string_view name) {
  return absl::EqualsIgnoreCase(name, "Authorization") || absl::EqualsIgnoreCase(name, "Cookie") ||
         absl::EqualsIgnoreCase(name, "Proxy-Authorization");
}

// A loopback, link-local or unspecified address, as text.
bool IsHostLocal(const std::string& address) {
  in_addr v4 = {};
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) {
    const uint32_t ip = ntohl(v4.s_addr);
    return ip >> 24 == 127 || ip >> 16 == 0xa9fe || ip >> 24 == 0;
  }
  in6_addr v6 = {};
  if (inet_pton(AF_INET6, address.c_str(), &v6) == 1) {
    if (IN6_IS_ADDR_V4MAPPED(&v6)) {
      return v6.s6_addr[12] == 127 || (v6.s6_addr[12] == 169 && v6.s6_addr[13] == 254) ||
             v6.s6_addr[12] == 0;
    }
    return IN6_IS_ADDR_LOOPBACK(&v6) || IN6_IS_ADDR_LINKLOCAL(&v6) || IN6_IS_ADDR_UNSPECIFIED(&v6);
  }
  return false;
}

bool IsRedirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// The extra certificates together with the system's, since the library takes one or the other.
StatusOr<std::string> ReadAuthorities(const std::vector<std::string>& files) {
  std::string all;
  const curl_version_info_data* version = curl_version_info(CURLVERSION_NOW);
  if (version->cainfo != nullptr) {
    const StatusOr<std::string> system = ReadFile(version->cainfo);
    all = system.ok() ? *system + "\n" : "";
  }
  for (const std::string& file : files) {
    ASSIGN_OR_RETURN(const std::string extra, ReadFile(file));
    absl::StrAppend(&all, extra, "\n");
  }
  return all;
}

Status StatusOfCurl(CURLcode code, const char* detail) {
  const std::string text = detail[0] != '\0' ? detail : curl_easy_strerror(code);
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CIPHER:
      return absl::FailedPreconditionError(text);
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return absl::InvalidArgumentError(text);
    case CURLE_BAD_CONTENT_ENCODING:
      return absl::UnimplementedError(text);
    case CURLE_OUT_OF_MEMORY:
      return absl::ResourceExhaustedError(text);
    default:
      return absl::UnavailableError(text);
  }
}

bool AcceptsGzip(const HttpRequest& request) {
  const std::string* accepted = FindHeader(request.headers, "Accept-Encoding");
  return accepted != nullptr && *accepted == "gzip";
}

}  // namespace

// Where a response's body goes.
struct HttpClient::Target {
  fs::ByteSink* sink = nullptr;
  const std::function<Status(const HttpResponse&)>* on_headers = nullptr;
};

struct HttpClient::Pool {
  explicit Pool(size_t limit) : limit(limit) {}

  StatusOr<Connection> Take(const std::string& origin) {
    {
      MutexLock lock(mu);
      for (auto it = idle.rbegin(); it != idle.rend(); ++it) {
        if (it->origin == origin) {
          Connection connection = std::move(*it);
          idle.erase(std::next(it).base());
          return connection;
        }
      }
    }
    Connection connection;
    connection.origin = origin;
    connection.multi.reset(curl_multi_init());
    connection.easy.reset(curl_easy_init());
    if (connection.multi == nullptr || connection.easy == nullptr) {
      return absl::ResourceExhaustedError("HTTP: no memory");
    }
    return connection;
  }

  void Give(Connection connection) {
    std::optional<Connection> oldest;  // closed outside the lock
    MutexLock lock(mu);
    idle.push_back(std::move(connection));
    if (idle.size() > limit) {
      oldest = std::move(idle.front());
      idle.erase(idle.begin());
    }
  }

  const size_t limit;
  Mutex mu;
  std::vector<Connection> idle ABSL_GUARDED_BY(mu);
};

// One exchange, without redirects.
class HttpClient::Transfer {
 public:
  Transfer(const HttpClientOptions& options, const HttpRequest& request, const Url& url,
           bool keep_credentials, bool refuse_host_local, const Target& target)
      : options_(options),
        request_(request),
        url_(url),
        keep_credentials_(keep_credentials),
        refuse_host_local_(refuse_host_local),
        target_(target) {
    response_.url = url;
  }

  StatusOr<HttpResponse> Run(Connection& connection, const CancelToken& cancel) {
    RETURN_IF_ERROR(cancel.Check());
    CURL* easy = connection.easy.get();
    easy_ = easy;
    curl_easy_reset(easy);
    RETURN_IF_ERROR(SetUp(easy));
    CURLM* multi = connection.multi.get();
    if (curl_multi_add_handle(multi, easy) != CURLM_OK) {
      return absl::InternalError("HTTP: the transfer did not start");
    }
    const CURLcode code = Perform(multi, cancel);
    curl_multi_remove_handle(multi, easy);
    RETURN_IF_ERROR(cancel.Check());
    if (!status_.ok()) {
      return status_;
    }
    if (code == CURLE_OPERATION_TIMEDOUT && !connected()) {
      return NotInTime("no connection to", options_.connect_timeout);
    }
    if (code != CURLE_OK) {
      return StatusOfCurl(code, error_);
    }
    RETURN_IF_ERROR(FinishHeaders());
    return std::move(response_);
  }

 private:
  bool connected() const { return answer_due_ != absl::InfinitePast(); }

  Status NotInTime(string_view what, absl::Duration limit) const {
    return absl::DeadlineExceededError(
        absl::StrCat(what, " ", url_.origin(), " within ", absl::FormatDuration(limit)));
  }

  // How long to wait for something to happen; nothing when the answer is overdue.
  std::optional<int> PollTime() const {
    constexpr absl::Duration kMost = absl::Seconds(1);
    if (!connected() || header_bytes_ > 0) {
      return static_cast<int>(absl::ToInt64Milliseconds(kMost));
    }
    const absl::Duration left = answer_due_ - absl::Now();
    if (left <= absl::ZeroDuration()) {
      return std::nullopt;
    }
    // The least first: an answer that is never due leaves no room for the millisecond more.
    return static_cast<int>(absl::ToInt64Milliseconds(std::min(left, kMost)) + 1);
  }

  // Runs the transfer until it ends, the answer is overdue or the token fires.
  CURLcode Perform(CURLM* multi, const CancelToken& cancel) {
    const CancelCallback wake(cancel, [multi] { curl_multi_wakeup(multi); });
    int running = 1;
    while (running != 0 && !cancel.cancelled()) {
      if (curl_multi_perform(multi, &running) != CURLM_OK) {
        return CURLE_FAILED_INIT;
      }
      const std::optional<int> time = PollTime();
      if (running != 0 && !time.has_value()) {
        status_ = NotInTime("no answer from", options_.answer_timeout);
        return CURLE_OK;
      }
      if (running != 0 && curl_multi_poll(multi, nullptr, 0, *time, nullptr) != CURLM_OK) {
        return CURLE_FAILED_INIT;
      }
    }
    CURLcode code = CURLE_OK;
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
      if (message->msg == CURLMSG_DONE) {
        code = message->data.result;
      }
    }
    return code;
  }

  Status SetUp(CURL* easy) {
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error_);
    curl_easy_setopt(easy, CURLOPT_URL, url_.ToString().c_str());
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, options_.user_agent.c_str());
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     static_cast<long>(absl::ToInt64Milliseconds(options_.connect_timeout)));
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, kStallBytesPerSecond);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME,
                     std::max(1L, static_cast<long>(absl::ToInt64Seconds(request_.stall_timeout))));
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 256L << 10);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 256L << 10);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Transfer::OnHeader);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Transfer::OnBody);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, &Transfer::OnConnected);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, this);
    if (AcceptsGzip(request_)) {
      curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    }
    SetMethod(easy);
    SetHeaders(easy);
    return SetTls(easy);
  }

  void SetMethod(CURL* easy) {
    if (request_.method == "HEAD") {
      curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
      return;
    }
    if (request_.body != nullptr) {
      curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
      curl_easy_setopt(easy, CURLOPT_READFUNCTION, &Transfer::OnRead);
      curl_easy_setopt(easy, CURLOPT_READDATA, this);
      if (request_.body_size.has_value()) {
        curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE,
                         static_cast<curl_off_t>(*request_.body_size));
      }
    } else if (request_.method != "GET") {
      // An explicit empty body: servers want its length.
      curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
      curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 0L);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
  }

  void Append(const std::string& line) {
    headers_.reset(curl_slist_append(headers_.release(), line.c_str()));
  }

  void SetHeaders(CURL* easy) {
    for (const auto& [name, value] : request_.headers) {
      if (keep_credentials_ || !IsCredential(name)) {
        // "Name;" is how the library is told of an empty value.
        Append(value.empty() ? absl::StrCat(name, ";") : absl::StrCat(name, ": ", value));
      }
    }
    if (FindHeader(request_.headers, "Content-Type") == nullptr) {
      Append("Content-Type:");  // not the library's own guess for a form
    }
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers_.get());
  }

  Status SetTls(CURL* easy) {
    const TlsOptions& tls = request_.tls;
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, tls.insecure ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, tls.insecure ? 0L : 2L);
    if (!tls.ca_files.empty()) {
      ASSIGN_OR_RETURN(std::string authorities, ReadAuthorities(tls.ca_files));
      curl_blob blob = {authorities.data(), authorities.size(), CURL_BLOB_COPY};
      curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
    }
    if (!tls.certificate_file.empty()) {
      curl_easy_setopt(easy, CURLOPT_SSLCERT, tls.certificate_file.c_str());
      curl_easy_setopt(easy, CURLOPT_SSLKEY, tls.key_file.c_str());
    }
    return absl::OkStatus();
  }

  static int OnConnected(void* self_pointer, char* address, char*, int, int) {
    auto* self = static_cast<Transfer*>(self_pointer);
    const bool limited = self->request_.body == nullptr && !self->request_.slow_answer;
    self->answer_due_ =
        limited ? absl::Now() + self->options_.answer_timeout : absl::InfiniteFuture();
    if (self->refuse_host_local_ && IsHostLocal(address)) {
      self->status_ = absl::InvalidArgumentError(
          absl::StrCat("redirect to the local address ", address, " is refused"));
      return CURL_PREREQFUNC_ABORT;
    }
    return CURL_PREREQFUNC_OK;
  }

  static size_t OnRead(char* buffer, size_t size, size_t count, void* self_pointer) {
    auto* self = static_cast<Transfer*>(self_pointer);
    const StatusOr<size_t> got = self->request_.body->Read(buffer, size * count);
    if (!got.ok()) {
      self->status_ = got.status();
      return CURL_READFUNC_ABORT;
    }
    return *got;
  }

  static size_t OnHeader(char* data, size_t size, size_t count, void* self_pointer) {
    auto* self = static_cast<Transfer*>(self_pointer);
    const size_t length = size * count;
    self->header_bytes_ += length;
    if (self->header_bytes_ > self->options_.max_header_bytes) {
      self->status_ = absl::ResourceExhaustedError("response headers are too large");
      return 0;
    }
    self->AddHeader(absl::StripAsciiWhitespace(string_view(data, length)));
    return length;
  }

  void AddHeader(string_view line) {
    if (absl::StartsWith(line, "HTTP/")) {
      response_.headers.clear();  // an interim response before, such as 100 Continue
      return;
    }
    const size_t colon = line.find(':');
    if (colon != string_view::npos) {
      response_.headers.emplace_back(
          std::string(line.substr(0, colon)),
          std::string(absl::StripLeadingAsciiWhitespace(line.substr(colon + 1))));
    }
  }

  static size_t OnBody(char* data, size_t size, size_t count, void* self_pointer) {
    auto* self = static_cast<Transfer*>(self_pointer);
    self->status_ = self->TakeBody(string_view(data, size * count));
    return self->status_.ok() ? size * count : 0;
  }

  // Once, before the body: the status is known and the sink's owner may look at the headers.
  Status FinishHeaders() {
    if (headers_done_) {
      return absl::OkStatus();
    }
    headers_done_ = true;
    response_.status = CurrentStatus();
    if (target_.sink != nullptr && response_.ok() && target_.on_headers != nullptr &&
        *target_.on_headers) {
      return (*target_.on_headers)(response_);
    }
    return absl::OkStatus();
  }

  int CurrentStatus() const {
    long status = 0;
    curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
    return static_cast<int>(status);
  }

  Status TakeBody(string_view data) {
    RETURN_IF_ERROR(FinishHeaders());
    if (target_.sink != nullptr && response_.ok()) {
      return target_.sink->Write(data);
    }
    const bool error = !response_.ok();
    const uint64_t limit = error ? kMaxErrorBody : request_.max_body_bytes;
    if (response_.body.size() + data.size() > limit) {
      if (!error) {
        return absl::ResourceExhaustedError(
            absl::StrCat("response body of more than ", limit, " bytes"));
      }
      data = data.substr(0, limit - response_.body.size());  // enough to say what went wrong
      if (data.empty() && ++dropped_ > 64) {
        return absl::ResourceExhaustedError("endless error response");
      }
    }
    response_.body.append(data.data(), data.size());
    return absl::OkStatus();
  }

  const HttpClientOptions& options_;
  const HttpRequest& request_;
  const Url& url_;
  const bool keep_credentials_;
  const bool refuse_host_local_;
  const Target& target_;
  HttpResponse response_;
  Status status_;
  absl::Time answer_due_ = absl::InfinitePast();  // until there is a connection
  size_t header_bytes_ = 0;
  int dropped_ = 0;
  bool headers_done_ = false;
  std::unique_ptr<curl_slist, FreeList> headers_;
  char error_[CURL_ERROR_SIZE] = {};
  CURL* easy_ = nullptr;  // the connection's, set by Run
};

HttpClient::HttpClient(HttpClientOptions options)
    : options_(std::move(options)), pool_(std::make_unique<Pool>(options_.max_idle_connections)) {}

HttpClient::~HttpClient() = default;

StatusOr<HttpResponse> HttpClient::SendAndFollow(const HttpRequest& request, const Target& target,
                                                 const CancelToken& cancel) {
  if (!InitLibrary()) {
    return absl::InternalError("HTTP: the library did not start");
  }
  const bool follows =
      request.max_redirects > 0 && (request.method == "GET" || request.method == "HEAD");
  Url url = request.url;
  bool keep_credentials = true;
  for (int hop = 0;; ++hop) {
    ASSIGN_OR_RETURN(Connection connection, pool_->Take(url.origin()));
    const bool refuse_host_local =
        request.refuse_host_local || (hop > 0 && !request.url.IsLoopback());
    Transfer transfer(options_, request, url, keep_credentials, refuse_host_local, target);
    StatusOr<HttpResponse> response = transfer.Run(connection, cancel);
    if (!response.ok()) {
      return Annotate(response.status(),
                      absl::StrCat(absl::AsciiStrToLower(request.method), " ", url.ForMessage()));
    }
    pool_->Give(std::move(connection));
    const std::string* location = response->Header("Location");
    if (!follows || !IsRedirect(response->status) || location == nullptr) {
      return response;
    }
    if (hop >= request.max_redirects) {
      return absl::InvalidArgumentError(absl::StrCat(request.url.ForMessage(), ": more than ",
                                                     request.max_redirects, " redirects"));
    }
    ASSIGN_OR_RETURN_IN(Url next, url.Resolve(*location),
                        absl::StrCat("redirect of ", url.ForMessage()));
    if (url.scheme == "https" && next.scheme != "https") {
      return absl::InvalidArgumentError(
          absl::StrCat("redirect of ", url.ForMessage(), " from https to http is refused"));
    }
    // Once away from the first origin, credentials do not come back.
    keep_credentials = keep_credentials && next.origin() == url.origin();
    url = std::move(next);
  }
}

StatusOr<HttpResponse> HttpClient::Send(const HttpRequest& request, const CancelToken& cancel) {
  return SendAndFollow(request, Target{}, cancel);
}

StatusOr<HttpResponse> HttpClient::Fetch(
    const HttpRequest& request, fs::ByteSink& sink, const CancelToken& cancel,
    const std::function<Status(const HttpResponse&)>& on_headers) {
  return SendAndFollow(request, Target{&sink, &on_headers}, cancel);
}

}  // namespace cairn::net
