package seed

import (
	"fmt"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/org"
)

// person is somebody to be made.
type person struct {
	first, last, department, title, city, country string
	manager                                       string
	number                                        int
	status                                        string
	// suffix keeps logins apart in large orgs.
	suffix   string
	userType string
}

const domain = "acme-robotics.example"

func (p person) login() string {
	return strings.ToLower(p.first+"."+strings.ReplaceAll(p.last, " ", "")) + p.suffix + "@" + domain
}

func (p person) body() doc.Doc {
	profile := doc.Doc{
		"login": p.login(), "email": p.login(), "firstName": p.first, "lastName": p.last,
		"displayName": p.first + " " + p.last, "department": p.department, "title": p.title, "city": p.city, "countryCode": p.country,
		"employeeNumber": fmt.Sprintf("E%05d", p.number), "userType": p.userType, "organization": "Acme Robotics",
	}
	if p.manager != "" {
		profile["manager"] = p.manager
	}
	body := doc.Doc{"profile": profile}
	if p.status == org.Active || p.status == org.Suspended || p.status == org.Deprovisioned || p.status == "" {
		body["credentials"] = doc.Doc{"password": doc.Doc{"value": "Not-kept-by-the-simulator-1"}}
	}
	return body
}

var firstNames = strings.Fields(`Amara Bruno Chiara Dmitri Elena Farid Greta Hugo Ines Jonas Keiko Liam Maren Nadia Oskar Priya
	Quentin Rosa Samir Tove Uma Viktor Wanda Ximena Yusuf Zoe Anneke Bashir Celeste Dario Esther Finn Gwen Hanna Ivo Juno`)

var lastNames = strings.Fields(`Abel Brandt Castillo Dahl Engel Fischer Grant Haddad Ito Jansen Kowalski Lindgren Moreau Novak
	Okafor Petrov Quist Rossi Sandoval Tanaka Ulrich Vargas Weber Xu Yilmaz Zimmer Almeida Becker Chandra Duarte Eriksen`)

var cities = []struct{ name, country string }{
	{"Hamburg", "DE"}, {"Austin", "US"}, {"Lyon", "FR"}, {"Osaka", "JP"}, {"Dublin", "IE"},
}

// somebody draws a person; n is unique.
func (b *builder) somebody(n int, department, title string) person {
	city := cities[b.rand.IntN(len(cities))]
	return person{
		first: firstNames[n%len(firstNames)], last: lastNames[(n/len(firstNames)+n*7)%len(lastNames)],
		department: department, title: title, city: city.name, country: city.country, number: 1000 + n, userType: "Employee",
	}
}
