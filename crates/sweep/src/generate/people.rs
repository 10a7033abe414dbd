//! Well-known people by their profession, for the similarity task.

/// People of one profession; none is known for another one of the table.
pub(super) struct Profession {
    pub(super) name: &'static str,
    pub(super) people: [&'static str; 8],
}

/// No two have the same first name, because that stands for the whole name as an answer.
pub(super) const PROFESSIONS: [Profession; 8] = [
    Profession {
        name: "physicist",
        people: [
            "Albert Einstein",
            "Isaac Newton",
            "Marie Curie",
            "Richard Feynman",
            "Stephen Hawking",
            "Max Planck",
            "Ernest Rutherford",
            "Werner Heisenberg",
        ],
    },
    Profession {
        name: "actor",
        people: [
            "Brad Pitt",
            "Tom Hanks",
            "Julia Roberts",
            "Morgan Freeman",
            "Kate Winslet",
            "Harrison Ford",
            "Nicole Kidman",
            "Daniel Craig",
        ],
    },
    Profession {
        name: "singer",
        people: [
            "Taylor Swift",
            "Michael Jackson",
            "Elton John",
            "Bob Marley",
            "Freddie Mercury",
            "Stevie Wonder",
            "Tina Turner",
            "Bruce Springsteen",
        ],
    },
    Profession {
        name: "painter",
        people: [
            "Pablo Picasso",
            "Claude Monet",
            "Edgar Degas",
            "Henri Matisse",
            "Jackson Pollock",
            "Gustav Klimt",
            "Frida Kahlo",
            "Edward Hopper",
        ],
    },
    Profession {
        name: "novelist",
        people: [
            "Jane Austen",
            "Charles Dickens",
            "Mark Twain",
            "Virginia Woolf",
            "George Orwell",
            "Agatha Christie",
            "Leo Tolstoy",
            "Emily Bronte",
        ],
    },
    Profession {
        name: "philosopher",
        people: [
            "Immanuel Kant",
            "Rene Descartes",
            "David Hume",
            "John Locke",
            "Friedrich Nietzsche",
            "Karl Popper",
            "Thomas Hobbes",
            "Jeremy Bentham",
        ],
    },
    Profession {
        name: "tennis player",
        people: [
            "Roger Federer",
            "Serena Williams",
            "Rafael Nadal",
            "Novak Djokovic",
            "Andre Agassi",
            "Maria Sharapova",
            "Martina Navratilova",
            "Pete Sampras",
        ],
    },
    Profession {
        name: "politician",
        people: [
            "Abraham Lincoln",
            "Margaret Thatcher",
            "Barack Obama",
            "Angela Merkel",
            "Nelson Mandela",
            "Bill Clinton",
            "Tony Blair",
            "Franklin Roosevelt",
        ],
    },
];
