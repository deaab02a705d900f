package shield

import "strings"

// signatures are parts of the User-Agent of programs that search the Internet for phones to abuse, in lower case.
// Honest test tools (sipsak, sipp) are not among them: they mean no harm to who answers them.
//
//nolint:gochecknoglobals // constant table
var signatures = []string{
	"friendly-scanner", "friendly-request", "sipvicious", "sundayddr", "sip-scan", "sipscan", "sipcli", "iwar", "sivus",
	"vaxsipuseragent", "pplsip", "gulp", "smap ", "siparmyknife", "sip-inspector", "mr.sip", "mrsip", "svcrack",
	"svwar",
	"nmap", "zgrab", "masscan",
}

// Scanner tells whether a User-Agent or a user name in From is that of a scanner. It catches the lazy; the table of
// verdicts does not need it.
func Scanner(userAgent, fromUser string) bool {
	ua := strings.ToLower(userAgent)
	for _, s := range signatures {
		if strings.Contains(ua, s) {
			return true
		}
	}
	return strings.EqualFold(fromUser, "sipvicious")
}
