#include "cache/registry/client.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cache/registry/manifest.h"
#include "tests/unit/runtime/net/fake_http_server.h"
#include "tests/unit/testing.h"

namespace cairn::registry {
namespace {

using ::cairn::testing::FakeHttpServer;
using ::cairn::testing::FakeRequest;
using ::cairn::testing::FakeResponse;
using ::cairn::testing::StatusIs;
using ::testing::HasSubstr;

class MapCredentials final : public CredentialSource {
 public:
  std::map<std::string, Credentials> by_host;
  std::optional<FetchedToken> token;
  std::vector<TokenRequest> token_requests;

  StatusOr<std::string> Identity(const std::string& host, const CancelToken&) override {
    return by_host.count(host) != 0 ? by_host[host].username : "";
  }
  StatusOr<Credentials> GetCredentials(const std::string& host, const CancelToken&) override {
    return by_host.count(host) != 0 ? by_host[host] : Credentials{};
  }
  StatusOr<std::optional<FetchedToken>> FetchToken(const TokenRequest& request,
                                                   const CancelToken&) override {
    token_requests.push_back(request);
    return token;
  }
};

class ClientTest : public ::testing::Test {
 protected:
  ImageReference Image(const FakeHttpServer& server, const std::string& rest = "/a/b:1") {
    return *ImageReference::Parse(server.address() + rest);
  }
  Access access() { return {.credentials = credentials_}; }

  net::HttpClient http_;
  SystemClock clock_;
  MapCredentials credentials_;
  RegistryClient client_{http_, HostTable(), clock_};
};

FakeResponse ManifestAnswer(const std::string& document, const std::string& digest = "") {
  FakeResponse response{.body = document};
  response.headers = {{"Content-Type", media_type::kOciManifest}};
  if (!digest.empty()) {
    response.headers.emplace_back("Docker-Content-Digest", digest);
  }
  return response;
}

TEST_F(ClientTest, ResolveWithoutADigestHeaderHashesTheBytes) {
  FakeHttpServer server([](const FakeRequest&) { return ManifestAnswer("{}"); });
  ASSERT_OK_AND_ASSIGN(const Descriptor descriptor, client_.Resolve(Image(server), access()));
  EXPECT_EQ(descriptor.digest, Digest::Of("{}"));
  EXPECT_EQ(descriptor.size, 2u);
  EXPECT_EQ(server.requests().back().target, "/v2/a/b/manifests/1");
}

// Observed: 100 seconds of silence, as every try of every request waited for itself.
TEST_F(ClientTest, ARegistryThatNeverAnswersIsWaitedForOnce) {
  FakeHttpServer server([](const FakeRequest&) { return FakeResponse{.hang = true}; });
  net::HttpClient http({.answer_timeout = absl::Milliseconds(50)});
  RegistryClient client(http, HostTable(), clock_);
  EXPECT_THAT(client.Resolve(Image(server), access()),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       HasSubstr("no answer from http://" + server.address())));
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(ClientTest, ALieAboutAManifestIsDataLoss) {
  FakeHttpServer server([](const FakeRequest&) {
    return ManifestAnswer("{\"evil\":1}", Digest::Of("{}").ToString());
  });
  ASSERT_OK_AND_ASSIGN(const Descriptor descriptor, client_.Resolve(Image(server), access()));
  EXPECT_THAT(client_.FetchManifest(Image(server), descriptor, access()),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("digest")));
}

TEST_F(ClientTest, WrongBlobsAreDataLoss) {
  std::string served = "evil!";
  FakeHttpServer server([&served](const FakeRequest&) { return FakeResponse{.body = served}; });
  const Descriptor descriptor{.media_type = "m", .digest = Digest::Of("right"), .size = 5};
  std::string out;
  fs::StringSink sink(&out);
  EXPECT_THAT(client_.FetchBlob(Image(server), descriptor, sink, access()),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("digest")));
  served = "right and more";
  EXPECT_THAT(client_.FetchBlob(Image(server), descriptor, sink, access()),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("more than")));
  served = "righ";
  EXPECT_THAT(client_.FetchBlob(Image(server), descriptor, sink, access()),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("fetch blob")));
}

// A registry may hold a foreign layer all the same; else its URLs are asked if that is configured,
// but what an image says must not make the daemon ask its own host's services.
TEST_F(ClientTest, ForeignLayersComeFromTheRegistryOrIfAllowedFromElsewhere) {
  FakeHttpServer local([](const FakeRequest&) { return FakeResponse{.body = "bytes"}; });
  int status = 200;
  FakeHttpServer server(
      [&status](const FakeRequest&) { return FakeResponse{.status = status, .body = "bytes"}; });
  const Descriptor descriptor{.media_type = media_type::kDockerForeignLayer,
                              .digest = Digest::Of("bytes"),
                              .size = 5,
                              .urls = {local.url("/layer").ToString()}};
  std::string out;
  fs::StringSink sink(&out);
  ASSERT_OK(client_.FetchBlob(Image(server), descriptor, sink, access()));
  EXPECT_EQ(out, "bytes");
  status = 404;
  EXPECT_THAT(client_.FetchBlob(Image(server), descriptor, sink, access()).message(),
              HasSubstr("set foreignURLs = true"));
  HostTable hosts({{Image(server).host(), {.foreign_urls = true}}});
  RegistryClient allowed(http_, hosts, clock_);
  EXPECT_THAT(allowed.FetchBlob(Image(server), descriptor, sink, access()).message(),
              HasSubstr("foreign layer from http://"));
  EXPECT_TRUE(local.requests().empty());
}

TEST_F(ClientTest, TheSizeOfABlobIsAskedWithoutItsBytes) {
  FakeHttpServer server([](const FakeRequest& request) {
    return request.method == "HEAD" ? FakeResponse{.headers = {{"Content-Length", "1234"}}}
                                    : FakeResponse{.status = 500};
  });
  EXPECT_THAT(client_.BlobSize(Image(server), Digest::Of("b"), access()),
              testing::IsOkAndHolds(1234u));
}

TEST_F(ClientTest, AnInterruptedBlobIsResumed) {
  const std::string blob(100'000, 'b');
  int calls = 0;
  FakeHttpServer server([&](const FakeRequest& request) {
    FakeResponse response{.body = blob};
    const std::string range = request.Header("Range");
    if (++calls == 1) {
      response.cut_after = 40'000;
    } else if (calls == 2) {
      response.status = 503;  // and nothing is lost by it
    } else if (calls == 3) {
      // The rest, cut once more.
      const size_t start = std::stoul(range.substr(6));
      response.status = 206;
      response.headers = {{"Content-Range", absl::StrCat("bytes ", start, "-99999/100000")}};
      response.body = blob.substr(start);
      response.cut_after = 1000;
    }
    return response;  // at last a server that ignores ranges
  });
  std::string out;
  fs::StringSink sink(&out);
  ASSERT_OK(client_.FetchBlob(Image(server),
                              {.media_type = "m", .digest = Digest::Of(blob), .size = blob.size()},
                              sink, access()));
  EXPECT_TRUE(out == blob);
}

TEST_F(ClientTest, AnotherRangeThanAskedForIsDataLoss) {
  int calls = 0;
  FakeHttpServer server([&](const FakeRequest&) {
    FakeResponse response{.body = "0123456789"};
    if (++calls == 1) {
      response.cut_after = 4;
    } else {
      response.status = 206;
      response.headers = {{"Content-Range", "bytes 6-9/10"}};
    }
    return response;
  });
  std::string out;
  fs::StringSink sink(&out);
  EXPECT_THAT(client_.FetchBlob(Image(server),
                                {.media_type = "m", .digest = Digest::Of("0123456789"), .size = 10},
                                sink, access()),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("range")));
}

TEST_F(ClientTest, MissingImageIsNotFound) {
  FakeHttpServer server([](const FakeRequest&) { return FakeResponse{.status = 404}; });
  EXPECT_THAT(client_.Resolve(Image(server), access()),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("a/b:1: not found")));
}

TEST_F(ClientTest, BearerTokenIsFetchedOnceAndShared) {
  std::string address;
  FakeHttpServer server([&address](const FakeRequest& request) {
    if (absl::StartsWith(request.target, "/token")) {
      return FakeResponse{.body = R"({"token":"t0k","expires_in":300})"};
    }
    if (request.Header("Authorization") != "Bearer t0k") {
      return FakeResponse{
          .status = 401,
          .headers = {{"WWW-Authenticate",
                       absl::StrCat("Bearer realm=\"http://", address,
                                    "/token\",service=\"s\",scope=\"repository:a/b:pull\"")}}};
    }
    return ManifestAnswer("{}");
  });
  address = server.address();
  credentials_.by_host[server.address()] = {"user", "pass"};
  ASSERT_OK(client_.Resolve(Image(server), access()));
  ASSERT_OK(client_.Resolve(Image(server), access()));
  int tokens = 0;
  for (const FakeRequest& request : server.requests()) {
    if (absl::StartsWith(request.target, "/token")) {
      ++tokens;
      EXPECT_EQ(request.Header("Authorization"), "Basic dXNlcjpwYXNz");
      EXPECT_EQ(request.target, "/token?service=s&scope=repository%3Aa%2Fb%3Apull");
    }
  }
  EXPECT_EQ(tokens, 1);
  // Somebody else does not get that token.
  NoCredentials nobody;
  client_.Resolve(Image(server), {.credentials = nobody}).IgnoreError();
  EXPECT_EQ(server.requests().back().target, "/v2/a/b/manifests/1");
}

TEST_F(ClientTest, SecretsDoNotGoToAnotherDomainsTokenServer) {
  FakeHttpServer evil([](const FakeRequest&) { return FakeResponse{.body = R"({"token":"x"})"}; });
  FakeHttpServer server([&evil](const FakeRequest&) {
    return FakeResponse{.status = 401,
                        .headers = {{"WWW-Authenticate",
                                     absl::StrCat("Bearer realm=\"http://localhost:", evil.port(),
                                                  "/\",service=\"s\"")}}};
  });
  credentials_.by_host[server.address()] = {"user", "pass"};
  EXPECT_THAT(client_.Resolve(Image(server), access()),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("another domain")));
  EXPECT_TRUE(evil.requests().empty());
}

TEST_F(ClientTest, TokensOfTheClientAreUsed) {
  FakeHttpServer server([](const FakeRequest& request) {
    if (request.Header("Authorization") == "Bearer fromclient") {
      return ManifestAnswer("{}");
    }
    return FakeResponse{
        .status = 401,
        .headers = {{"WWW-Authenticate", "Bearer realm=\"http://127.0.0.1:1/t\",service=\"svc\""}}};
  });
  credentials_.token = FetchedToken{"fromclient", 60};
  ASSERT_OK(client_.Resolve(Image(server), access()));
  ASSERT_EQ(credentials_.token_requests.size(), 1u);
  EXPECT_EQ(credentials_.token_requests[0].service, "svc");
  EXPECT_THAT(credentials_.token_requests[0].scopes, ::testing::ElementsAre("repository:a/b:pull"));
}

TEST_F(ClientTest, BasicAndRefusal) {
  FakeHttpServer server([](const FakeRequest& request) {
    if (request.Header("Authorization") == "Basic dXNlcjpwYXNz") {
      return ManifestAnswer("{}");
    }
    return FakeResponse{
        .status = 401,
        .headers = {{"WWW-Authenticate", "Basic realm=\"x\""}},
        .body = R"({"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]})"};
  });
  EXPECT_THAT(client_.Resolve(Image(server), access()),
              StatusIs(absl::StatusCode::kUnauthenticated,
                       ::testing::AllOf(HasSubstr("pull access denied"),
                                        HasSubstr("authentication required"))));
  credentials_.by_host[server.address()] = {"user", "pass"};
  ASSERT_OK(client_.Resolve(Image(server), access()));
}

TEST_F(ClientTest, UploadElsewhereGetsNoToken) {
  FakeHttpServer elsewhere([](const FakeRequest&) { return FakeResponse{.status = 201}; });
  FakeHttpServer server([&elsewhere](const FakeRequest& request) {
    if (request.Header("Authorization").empty()) {
      return FakeResponse{.status = 401, .headers = {{"WWW-Authenticate", "Basic realm=\"x\""}}};
    }
    if (request.method == "HEAD") {
      return FakeResponse{.status = 404};
    }
    return FakeResponse{.status = 202,
                        .headers = {{"Location", elsewhere.url("/up?state=1").ToString()}}};
  });
  credentials_.by_host[server.address()] = {"user", "pass"};
  const RegistryClient::BlobUpload upload{
      .descriptor = {.media_type = "m", .digest = Digest::Of("blob"), .size = 4},
      .open = []() -> StatusOr<std::unique_ptr<fs::ByteSource>> {
        return std::make_unique<fs::StringSource>("blob");
      }};
  EXPECT_THAT(client_.PushBlob(Image(server), upload, access()),
              cairn::testing::IsOkAndHolds(PushOutcome::kUploaded));
  ASSERT_EQ(elsewhere.requests().size(), 1u);
  const FakeRequest put = elsewhere.requests()[0];
  EXPECT_EQ(put.Header("Authorization"), "");
  EXPECT_EQ(put.body, "blob");
  EXPECT_THAT(put.target, HasSubstr("/up?state=1&digest=sha256%3A"));
}

TEST_F(ClientTest, LargeBlobsGoInChunksWhereASingleRequestIsTooLarge) {
  const std::string blob(20 << 20, 'z');
  std::string received;
  FakeHttpServer server([&](const FakeRequest& request) {
    if (request.method == "HEAD") {
      return FakeResponse{.status = 404};
    }
    if (request.method == "PUT" && !request.body.empty()) {
      return FakeResponse{.status = 413};
    }
    if (request.method == "PATCH") {
      received += request.body;
    }
    return FakeResponse{.status = request.method == "PUT" ? 201 : 202,
                        .headers = {{"Location", "/v2/a/b/blobs/uploads/1"}}};
  });
  const RegistryClient::BlobUpload upload{
      .descriptor = {.media_type = "m", .digest = Digest::Of(blob), .size = blob.size()},
      .open = [&blob]() -> StatusOr<std::unique_ptr<fs::ByteSource>> {
        return std::make_unique<fs::StringSource>(blob);
      }};
  ASSERT_OK(client_.PushBlob(Image(server), upload, access()));
  EXPECT_TRUE(received == blob);
}

TEST_F(ClientTest, MirrorsComeFirstAndMayFail) {
  FakeHttpServer mirror([](const FakeRequest&) { return FakeResponse{.status = 404}; });
  FakeHttpServer server([](const FakeRequest&) { return ManifestAnswer("{}"); });
  std::map<std::string, HostConfig> hosts;
  hosts[server.address()].mirrors = {mirror.address() + "/cache"};
  RegistryClient client(http_, HostTable(hosts), clock_);
  ASSERT_OK(client.Resolve(Image(server), access()));
  EXPECT_THAT(mirror.requests()[0].target, HasSubstr("/v2/cache/a/b/manifests/1?ns="));
}

// The error was that the registry cannot be reached, when the mirror had said all that there is.
TEST_F(ClientTest, AMirrorsAnswerStandsWhenTheRegistryGivesNone) {
  FakeHttpServer mirror([](const FakeRequest&) { return FakeResponse{.status = 404}; });
  std::map<std::string, HostConfig> hosts;
  hosts["127.0.0.1:1"].mirrors = {mirror.address() + "/cache"};
  RegistryClient client(http_, HostTable(hosts), clock_);
  ASSERT_OK_AND_ASSIGN(const ImageReference image, ImageReference::Parse("127.0.0.1:1/a/b:1"));
  EXPECT_THAT(client.Resolve(image, access()),
              StatusIs(absl::StatusCode::kNotFound, "127.0.0.1:1/a/b:1: not found"));
}

TEST_F(ClientTest, InsecureFallsBackToPlainHttp) {
  FakeHttpServer server([](const FakeRequest&) { return ManifestAnswer("{}"); });
  ASSERT_OK(client_.Resolve(Image(server), {.credentials = credentials_, .insecure = true}));
}

TEST_F(ClientTest, CancelEndsTheWaitBetweenTries) {
  FakeHttpServer server([](const FakeRequest&) { return FakeResponse{.status = 503}; });
  CancelSource source;
  source.Cancel();
  EXPECT_THAT(
      client_.Resolve(Image(server), {.credentials = credentials_, .cancel = source.token()}),
      StatusIs(absl::StatusCode::kCancelled, HasSubstr("")));
}

TEST(AuthTest, Challenges) {
  const auto challenges = ParseChallenges(
      {{"Www-Authenticate",
        R"(Bearer realm="https://a.example/t",service="x \"y\"",scope="repository:a:pull,push", Basic realm="r")"},
       {"WWW-Authenticate", R"(Bearer realm="unclosed)"}});
  ASSERT_EQ(challenges.size(), 2u);
  EXPECT_EQ(challenges[0].parameters.at("service"), "x \"y\"");
  EXPECT_EQ(challenges[0].parameters.at("scope"), "repository:a:pull,push");
  EXPECT_EQ(challenges[1].scheme, "basic");
}

TEST(AuthTest, ScopesAreJoined) {
  EXPECT_THAT(NormalizeScopes({"repository:b:pull", "repository:a:push,pull", "repository:a:pull"}),
              ::testing::ElementsAre("repository:a:pull,push", "repository:b:pull"));
}

TEST(AuthTest, WhoMayReceiveASecret) {
  EXPECT_TRUE(MayReceiveSecret("registry-1.docker.io", "auth.docker.io"));
  EXPECT_TRUE(MayReceiveSecret("registry.example.com", "example.com"));
  EXPECT_TRUE(MayReceiveSecret("host", "host"));
  EXPECT_FALSE(MayReceiveSecret("registry.good", "registry.good.evil"));
  EXPECT_FALSE(MayReceiveSecret("good.com", "evil.com"));
  EXPECT_FALSE(MayReceiveSecret("good.co.uk", "evil.co.uk"));
  EXPECT_FALSE(MayReceiveSecret("10.0.0.1", "10.0.0.2"));
  EXPECT_FALSE(MayReceiveSecret("registry.example.com", "example.com.evil.org"));
}

}  // namespace
}  // namespace cairn::registry
