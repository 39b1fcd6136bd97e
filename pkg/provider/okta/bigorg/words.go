package bigorg

import "strings"

var (
	firstNames = strings.Fields(`Adele Agnes Aiko Alma Amina Anders Andrei Anouk Antonio Arjen Aurora Axel Babak Beatriz
		Benoit Bilal Birgit Bogdan Brigid Camille Carmen Cem Chiara Cormac Dag Damir Daphne Delia Dimitri Divya Dolores
		Edda Eino Eleni Emiko Enrique Erdem Esther Eun Fadi Femke Filip Flora Gael Georgia Gitte Greg Guido Gulsen
		Hamid Heidi Helena Henrik Hilde Hyun Iben Ilse Imran Inga Isabel Ismail Jacek Jaya Jelena Joost Jun Kamal Karen
		Katja Keiko Khalid Kirsten Lale Lars Leonor Ling Lorenzo Ludmila Magnus Mai Manon Marek Margit Mehmet Mette
		Milos Miriam Naoko Nasrin Neil Nicolae Nisha Odile Olof Oksana Orla Osman Paavo Padma Paolo Pilar Radek Rania
		Renata Rik Rosalind Sabine Saoirse Selma Senan Shira Silvia Sorin Svea Tadeusz Tamar Tanja Thanh Tiago Tuula
		Ugo Ursula Vanda Vasil Vera Vikram Wanda Willem Xavier Yann Yelena Yoko Yusra Zainab Zdenka Zoltan`)
	lastNames = strings.Fields(`Aalto Abe Acosta Adamu Agarwal Aguilar Albrecht Amari Andrade Aoun Arai Asante Aydin Baptiste
		Barbosa Bekele Belov Bernard Bhatt Bjork Blanco Boateng Bondar Borg Botha Brennan Bui Byrne Caruso Cerny Chavez
		Chung Claes Conti Coppola Dang Dawson Deleon Desai Dietrich Dogan Doyle Duda Dvorak Egger Ekman Engel Eriksen
		Esposito Farah Fekete Feng Ferrari Fofana Fujii Gallo Gashi Gerber Gill Goto Grgic Gruber Guzman Haddad Hagen
		Hara Heikkinen Hermans Hidalgo Hoang Hughes Huang Iglesias Iversen Jacobs Jankowski Jovanovic Kato Kaur Kimura
		Kiss Klaassen Koch Kone Korhonen Kuznetsov Lambert Lange Laurent Leclerc Lehmann Lindberg Lombardi Lukacs Mahmoud
		Marek Mbeki Medina Melo Mendoza Meier Minh Molina Nagy Naidoo Navarro Nemeth Nkosi Noor Nunez Obrien Oduya Okada
		Oliveira Olsson Ong Osei Palmer Parvin Pavlov Perez Phiri Pinto Popov Prasad Quinn Rahman Ramos Rana Rasmussen
		Roth Ruggeri Saari Salazar Sandoval Sasaki Schulz Serra Shah Simon Soto Steiner Suarez Szabo Tamm Teixeira
		Tessema Thomsen Toth Tran Traore Tsang Ueda Usman Vacek Varga Vermeer Vidal Vinter Voss Walsh Wirth Wolff Yeo
		Zaman Zeman Zhou Zimmer`)
	departments = strings.Split("Accounting|Audit|Customer Success|Data|Design|Engineering|Facilities|Human Resources|Information Technology|Legal|Marketing|Operations|Procurement|Sales|Security", "|")
	divisions   = strings.Split("Corporate|Field|Platform|Product|Shared Services", "|")
	titles      = strings.Split("Accountant|Administrator|Analyst|Architect|Assistant|Consultant|Controller|Coordinator|Counsel|Designer|Developer|Director|Engineer|Lead|Manager|Partner|Planner|Recruiter|Researcher|Specialist|Technician|Trainer|Writer|Vice President", "|")
	vendors     = strings.Split("Alderwiki|Birchmail|Cedarpay|Dunelearn|Elmboard|Fernforms|Glencode|Heathvault|Ivydesk|Junipercal|Kelptrack|Larchsign|Mapleroute|Nettlebuild|Oakledger|Pinesurvey", "|")
	sentences   = strings.Split("Kept by the identity team|Comes from the personnel system every night|Access is reviewed every quarter|Ask the service desk|Not to be edited by hand|Made for the merger|For the contractors' portal|The data's owner approves|For emergencies only|To be given up", "|")
)

var cities = []struct{ name, state, country, zip, timezone, language string }{
	{"Amsterdam", "NH", "NL", "1012 AB", "Europe/Amsterdam", "Dutch"},
	{"Austin", "TX", "US", "78701", "America/Chicago", "English"},
	{"Boston", "MA", "US", "02108", "America/New_York", "English"},
	{"Denver", "CO", "US", "80202", "America/Denver", "English"},
	{"Dublin", "D", "IE", "D02 X285", "Europe/Dublin", "Irish"},
	{"Krakow", "MA", "PL", "31-042", "Europe/Warsaw", "Polish"},
	{"Lisbon", "LI", "PT", "1100-148", "Europe/Lisbon", "Portuguese"},
	{"Montreal", "QC", "CA", "H2Y 1C6", "America/Toronto", "French"},
	{"Osaka", "27", "JP", "530-0001", "Asia/Tokyo", "Japanese"},
	{"Pune", "MH", "IN", "411001", "Asia/Kolkata", "Marathi"},
	{"Seattle", "WA", "US", "98101", "America/Los_Angeles", "English"},
	{"Vienna", "W", "AT", "1010", "Europe/Vienna", "German"},
}
