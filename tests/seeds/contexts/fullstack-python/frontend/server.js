const words = require("abbrev")("Hello");
require("http")
  .createServer((request, response) => response.end(words.Hel + " from Node"))
  .listen(3000);
