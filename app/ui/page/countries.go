package page

import (
	"cmp"
	"slices"
	"strings"

	"fyne.io/fyne/v2/lang"
)

// countries are the countries whose tones there are, with the values of the setting "tones": first
// that of the system, then by name.
func countries() (words, values []string) {
	list := []struct{ value, words string }{
		{"au", lang.L("Australia")},
		{"at", lang.L("Austria")},
		{"be", lang.L("Belgium")},
		{"br", lang.L("Brazil")},
		{"bg", lang.L("Bulgaria")},
		{"ca", lang.L("Canada")},
		{"cl", lang.L("Chile")},
		{"cn", lang.L("China")},
		{"cz", lang.L("Czechia")},
		{"dk", lang.L("Denmark")},
		{"ee", lang.L("Estonia")},
		{"fi", lang.L("Finland")},
		{"fr", lang.L("France")},
		{"de", lang.L("Germany")},
		{"gr", lang.L("Greece")},
		{"hu", lang.L("Hungary")},
		{"in", lang.L("India")},
		{"ie", lang.L("Ireland")},
		{"il", lang.L("Israel")},
		{"it", lang.L("Italy")},
		{"jp", lang.L("Japan")},
		{"lt", lang.L("Lithuania")},
		{"mx", lang.L("Mexico")},
		{"nl", lang.L("Netherlands")},
		{"nz", lang.L("New Zealand")},
		{"no", lang.L("Norway")},
		{"pl", lang.L("Poland")},
		{"pt", lang.L("Portugal")},
		{"ro", lang.L("Romania")},
		{"ru", lang.L("Russia")},
		{"sg", lang.L("Singapore")},
		{"sk", lang.L("Slovakia")},
		{"za", lang.L("South Africa")},
		{"kr", lang.L("South Korea")},
		{"es", lang.L("Spain")},
		{"se", lang.L("Sweden")},
		{"ch", lang.L("Switzerland")},
		{"tw", lang.L("Taiwan")},
		{"th", lang.L("Thailand")},
		{"tr", lang.L("Turkey")},
		{"ua", lang.L("Ukraine")},
		{"gb", lang.L("United Kingdom")},
		{"us", lang.L("United States")},
	}
	key := strings.NewReplacer("Ä", "A", "Ö", "O", "Ü", "U")
	slices.SortFunc(list, func(a, b struct{ value, words string }) int {
		return cmp.Compare(key.Replace(a.words), key.Replace(b.words))
	})
	words, values = []string{lang.L("As in the country of this system")}, []string{"auto"}
	for _, c := range list {
		words, values = append(words, c.words), append(values, c.value)
	}
	return words, values
}
