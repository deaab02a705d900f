package tones

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// country is how the telephones of a country sound. A cadence is a row of FREQUENCIES/MILLISECONDS, repeated without
// end; 400+450 sounds two frequencies together, 400*25 one that swells 25 times a second, 0 is silence.
//
// Most rows follow the tone list that Asterisk ships (configs/samples/indications.conf.sample), which refers to ITU-T's
// "Various tones used in national networks" (E.180 supplement 2) for about half of its countries, to BT SIN 350 for gb,
// to TNA 102 for nz and to GOST 45.223 for ru; none of these has been read for this table. What ends in the list goes
// on here, jp swells where it has a second frequency of 15 or 16 Hz, and ee has the standard information tone.
//
// The list has neither ca, which is us here, nor tr, which is as in similar lists, nor ie, kr, ro, sk and ua, which
// follow a neighbour or common practice. These and the pauses in the waiting tones of th and za are unchecked.
type country struct {
	code       string // ISO 3166; "" is the rest of the world
	ringback   string
	busy       string
	congestion string
	waiting    string
	info       string // special information tone; "": that of ITU-T E.180 7
}

// standardInfo is the special information tone: three rising steps, E.180 7.
const standardInfo = "950/330 1400/330 1800/330 0/1000"

// countries is sorted by code. The first is what E.180 recommends where a country has nothing of its own.
var countries = []country{ //nolint:gochecknoglobals // a table
	{"", "425/1000 0/4000", "425/500 0/500", "425/250 0/250", "425/200 0/600 425/200 0/4000", ""},
	{"at", "420/1000 0/5000", "420/400 0/400", "420/200 0/200", "420/40 0/1960", "950/330 1450/330 1850/330 0/1000"},
	{
		"au", "413+438/400 0/200 413+438/400 0/2000", "425/375 0/375", "425/375 0/375 420/375 0/375",
		"425/200 0/200 425/200 0/4400", "425/2500 0/500",
	},
	{
		"be", "425/1000 0/3000", "425/500 0/500", "425/167 0/167", "1400/175 0/175 1400/175 0/3500",
		"900/330 1400/330 1800/330 0/1000",
	},
	{"bg", "425/1000 0/4000", "425/500 0/500", "425/250 0/250", "425/150 0/150 425/150 0/4000", ""},
	{"br", "425/1000 0/4000", "425/250 0/250", "425/250 0/250 425/750 0/250", "425/50 0/1000", ""},
	{"ca", "440+480/2000 0/4000", "480+620/500 0/500", "480+620/250 0/250", "440/300 0/10000", ""},
	{"ch", "425/1000 0/4000", "425/500 0/500", "425/200 0/200", "425/200 0/200 425/200 0/4000", ""},
	{"cl", "400/1000 0/3000", "400/500 0/500", "400/200 0/200", "400/250 0/8750", "950/333 1400/333 1800/333 0/1000"},
	{
		"cn", "450/1000 0/4000", "450/350 0/350", "450/700 0/700", "450/400 0/4000",
		"450/100 0/100 450/100 0/100 450/100 0/100 450/400 0/400",
	},
	{
		"cz", "425/1000 0/4000", "425/330 0/330", "425/165 0/165", "425/330 0/9000",
		"950/330 0/30 1400/330 0/30 1800/330 0/1000",
	},
	{"de", "425/1000 0/4000", "425/480 0/480", "425/240 0/240", "425/200 0/200 425/200 0/5000", ""},
	{"dk", "425/1000 0/4000", "425/500 0/500", "425/200 0/200", "425/200 0/600 425/200 0/3000", ""},
	{"ee", "425/1000 0/4000", "425/300 0/300", "425/200 0/200", "950/650 0/325 950/325 0/30 1400/1300 0/2600", ""},
	{
		"es", "425/1500 0/3000", "425/200 0/200", "425/200 0/200 425/200 0/200 425/200 0/600",
		"425/175 0/175 425/175 0/3500", "950/330 0/1000",
	},
	{
		"fi", "425/1000 0/4000", "425/300 0/300", "425/200 0/200", "425/150 0/150 425/150 0/8000",
		"950/650 0/325 950/325 0/30 1400/1300 0/2600",
	},
	{"fr", "440/1500 0/3500", "440/500 0/500", "440/250 0/250", "440/300 0/10000", ""},
	{
		"gb", "400+450/400 0/200 400+450/400 0/2000", "400/375 0/375", "400/400 0/350 400/225 0/525",
		"400/100 0/4000", "950/330 0/15 1400/330 0/15 1800/330 0/1000",
	},
	{"gr", "425/1000 0/4000", "425/300 0/300", "425/200 0/200", "425/150 0/150 425/150 0/8000", ""},
	{"hu", "425/1250 0/3750", "425/300 0/300", "425/300 0/300", "425/40 0/1960", ""},
	{
		"ie", "400+450/400 0/200 400+450/400 0/2000", "425/500 0/500", "425/500 0/500",
		"425/180 0/200 425/200 0/4500", "",
	},
	{
		"il", "414/1000 0/3000", "414/500 0/500", "414/250 0/250",
		"414/100 0/100 414/100 0/100 414/600 0/3000", "1000/330 1400/330 1800/330 0/1000",
	},
	{"in", "400*25/400 0/200 400*25/400 0/2000", "400/750 0/750", "400/250 0/250", "400/200 0/100 400/200 0/7500", ""},
	{"it", "425/1000 0/4000", "425/500 0/500", "425/200 0/200", "425/400 0/100 425/250 0/100 425/150 0/14000", ""},
	{"jp", "400*16/1000 0/2000", "400/500 0/500", "400/500 0/500", "400*16/500 0/8000", ""},
	{"kr", "440+480/1000 0/2000", "480+620/500 0/500", "480+620/300 0/200", "350+440/250 0/250 350+440/250 0/3250", ""},
	{"lt", "425/1000 0/4000", "425/350 0/350", "425/200 0/200", "425/150 0/150 425/150 0/4000", ""},
	{
		"mx", "425/1000 0/4000", "425/250 0/250", "425/250 0/250", "425/200 0/600 425/200 0/10000",
		"950/330 0/30 1400/330 0/30 1800/330 0/1000",
	},
	{"nl", "425/1000 0/4000", "425/500 0/500", "425/250 0/250", "425/500 0/9500", ""},
	{"no", "425/1000 0/4000", "425/500 0/500", "425/200 0/200", "425/200 0/600 425/200 0/10000", ""},
	{
		"nz", "400+450/400 0/200 400+450/400 0/2000", "400/500 0/500", "400/250 0/250", "400/200 0/3000",
		"400/750 0/100 400/750 0/100 400/750 0/100 400/750 0/400",
	},
	{"pl", "425/1000 0/4000", "425/500 0/500", "425/500 0/500", "425/150 0/150 425/150 0/4000", ""},
	{"pt", "425/1000 0/5000", "425/500 0/500", "425/200 0/200", "440/300 0/10000", ""},
	{"ro", "425/1850 0/4150", "425/167 0/167", "425/500 0/500", "425/150 0/150 425/150 0/4000", ""},
	{"ru", "425/1000 0/4000", "425/350 0/350", "425/175 0/175", "425/200 0/5000", ""},
	{
		"se", "425/1000 0/5000", "425/250 0/250", "425/250 0/750", "425/200 0/500 425/200 0/9100",
		"950/332 0/24 1400/332 0/24 1800/332 0/2024",
	},
	{
		"sg", "425*24/400 0/200 425*24/400 0/2000", "425/750 0/750", "425/250 0/250",
		"425*24/300 0/200 425*24/300 0/3200", "",
	},
	{"sk", "425/1000 0/4000", "425/330 0/330", "425/165 0/165", "425/330 0/9000", ""},
	{"th", "420/1000 0/5000", "400/500 0/500", "400/300 0/300", "1000/400 0/10000", ""},
	{
		"tr", "450/2000 0/4000", "450/500 0/500", "450/200 0/200 450/200 0/200 450/200 0/200 450/600 0/200",
		"450/200 0/600 450/200 0/8000", "950/300 1400/300 1800/300 0/1000",
	},
	{"tw", "440+480/1000 0/2000", "480+620/500 0/500", "480+620/250 0/250", "350+440/250 0/250 350+440/250 0/3250", ""},
	{"ua", "425/1000 0/4000", "425/350 0/350", "425/175 0/175", "425/200 0/5000", ""},
	{"us", "440+480/2000 0/4000", "480+620/500 0/500", "480+620/250 0/250", "440/300 0/10000", ""},
	{
		"za", "400*33/400 0/200 400*33/400 0/2000", "400/500 0/500", "400/250 0/250",
		"400*33/250 0/250 400*33/250 0/250 400*33/250 0/3000", "950/330 1400/330 1800/330 0/330",
	},
}

// Countries lists the countries whose tones differ from those of the rest of the world, by ISO 3166 in lower case.
func Countries() []string {
	var codes []string
	for _, c := range countries[1:] {
		codes = append(codes, c.code)
	}
	return codes
}

// Region gives the country of a locale such as "de_AT.UTF-8", in lower case; "" when it names none.
func Region(locale string) string {
	locale, _, _ = strings.Cut(locale, "@")
	locale, _, _ = strings.Cut(locale, ".")
	_, region, found := strings.Cut(strings.ReplaceAll(locale, "-", "_"), "_")
	region = strings.ToLower(region)
	if !found || len(region) != 2 || strings.Trim(region, "abcdefghijklmnopqrstuvwxyz") != "" {
		return ""
	}
	return region
}

// National are the tones of one country.
type National struct{ c country }

// In gives the tones of a country by ISO 3166 in lower case; those that E.180 recommends for a country not known here.
func In(code string) National {
	i, ok := slices.BinarySearchFunc(countries, code, func(c country, code string) int {
		return strings.Compare(c.code, code)
	})
	if !ok {
		i = 0
	}
	return National{countries[i]}
}

// Ringback is what a caller hears while it rings at the other end.
func (n National) Ringback() *Source { return inEar(n.c.ringback) }

// Busy says that the other end is engaged.
func (n National) Busy() *Source { return inEar(n.c.busy) }

// Congestion says that the call failed on its way.
func (n National) Congestion() *Source { return inEar(n.c.congestion) }

// Waiting tells somebody who talks that another call comes in.
func (n National) Waiting() *Source { return inEar(n.c.waiting) }

// Information says that nobody can be reached under that number or address.
func (n National) Information() *Source {
	if n.c.info == "" {
		return inEar(standardInfo)
	}
	return inEar(n.c.info)
}

// Ended says that the other side has hung up: three short beeps in the voice of the busy tone, then silence.
func (n National) Ended() *Source {
	beep := cadence(n.c.busy)[0]
	beep.length = 150 * time.Millisecond
	pause := note{length: 100 * time.Millisecond}
	return &Source{level: callLevel, notes: []note{beep, pause, beep, pause, beep, {length: time.Hour}}}
}

func inEar(text string) *Source { return &Source{level: callLevel, notes: cadence(text)} }

// cadence reads a row of the table. A number that is none counts as 0; a test reads all of them.
func cadence(text string) []note {
	var notes []note
	for part := range strings.FieldsSeq(text) {
		sound, length, _ := strings.Cut(part, "/")
		n := note{length: time.Duration(number(length)) * time.Millisecond}
		if one, by, ok := strings.Cut(sound, "*"); ok {
			n.hz[0], n.swell = number(one), number(by)
		} else {
			one, two, _ := strings.Cut(sound, "+")
			n.hz = [2]float64{number(one), number(two)}
		}
		notes = append(notes, n)
	}
	return notes
}

func number(text string) float64 {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0
	}
	return v
}
