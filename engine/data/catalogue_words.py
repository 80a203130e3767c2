"""Words the simulated store's products are made of: tables only, no behaviour.

Nouns belong to one department in every world (stable knowledge a model may keep in its weights); which
brand sells what, and which product is bought after which, is drawn anew per world in
:mod:`engine.data.simulated`. Every name here is invented or a common English word.
"""

from __future__ import annotations

#: Department -> product nouns. The order is part of the simulated data's fingerprint.
NOUNS: dict[str, tuple[str, ...]] = {
    "Outdoors": (
        "Tent", "Sleeping Bag", "Backpack", "Headlamp", "Camp Stove", "Hiking Socks", "Water Filter",
        "Trekking Poles", "Hammock", "Rain Jacket", "Cooler", "Lantern", "Compass", "Dry Bag", "Fleece Vest",
        "Climbing Rope", "Camp Chair", "Fishing Rod",
    ),
    "Kitchen": (
        "Kettle", "Frying Pan", "Chef Knife", "Cutting Board", "Dutch Oven", "Mixing Bowls", "Blender",
        "Coffee Grinder", "Toaster", "Measuring Cups", "Baking Sheet", "Peeler", "Teapot", "Wok",
        "Rolling Pin", "Spice Rack", "Food Scale", "Whisk",
    ),
    "Audio": (
        "Headphones", "Earbuds", "Bluetooth Speaker", "Soundbar", "Turntable", "Microphone", "Amplifier",
        "Radio", "Audio Cable", "Headphone Stand", "Subwoofer", "Equalizer", "Record Cleaner", "Guitar Pedal",
        "Mixer", "Speaker Stand", "Recorder", "Metronome",
    ),
    "Beauty": (
        "Hand Cream", "Shampoo", "Lip Balm", "Face Mask", "Body Lotion", "Eye Serum", "Nail Polish",
        "Hair Brush", "Sunscreen", "Bath Salts", "Conditioner", "Face Wash", "Perfume", "Mascara", "Soap Bar",
        "Hair Oil", "Makeup Brush", "Toner",
    ),
    "Garden": (
        "Watering Can", "Pruning Shears", "Plant Pot", "Garden Hose", "Seed Tray", "Trowel", "Bird Feeder",
        "Compost Bin", "Rake", "Gloves", "Trellis", "Sprinkler", "Wheelbarrow", "Potting Soil", "Grow Light",
        "Hedge Trimmer", "Planter Box", "Rain Gauge",
    ),
    "Toys": (
        "Puzzle", "Building Blocks", "Board Game", "Card Game", "Plush Bear", "Train Set", "Doll House",
        "Kite", "Yo-Yo", "Marble Run", "Toy Truck", "Play Kitchen", "Science Kit", "Stacking Rings", "Robot",
        "Craft Kit", "Spinning Top", "Finger Paint",
    ),
    "Pets": (
        "Dog Bed", "Cat Tree", "Chew Toy", "Leash", "Fish Tank", "Litter Box", "Pet Carrier",
        "Dog Treats", "Cat Food", "Food Bowl", "Harness", "Scratching Post", "Grooming Glove", "Bird Cage",
        "Aquarium Filter", "Dog Shampoo", "Hamster Wheel", "Collar",
    ),
    "Office": (
        "Notebook", "Fountain Pen", "Desk Lamp", "Stapler", "Desk Organizer", "Planner", "Sticky Notes",
        "Whiteboard", "Mouse Pad", "Keyboard", "Monitor Stand", "File Folder", "Pencil Case", "Calculator",
        "Label Maker", "Office Chair", "Paper Shredder", "Highlighters",
    ),
    "Fitness": (
        "Yoga Mat", "Dumbbells", "Jump Rope", "Foam Roller", "Water Bottle", "Running Shoes",
        "Resistance Bands", "Kettlebell", "Gym Bag", "Exercise Ball", "Pull-Up Bar", "Wrist Wraps",
        "Cycling Gloves", "Swim Goggles", "Bike Helmet", "Tennis Racket", "Protein Powder", "Sports Towel",
    ),
    "Pantry": (
        "Olive Oil", "Green Tea", "Coffee Beans", "Granola", "Peanut Butter", "Dark Chocolate", "Pasta",
        "Honey", "Hot Sauce", "Trail Mix", "Oatmeal", "Maple Syrup", "Sea Salt", "Rice", "Crackers", "Jam",
        "Soup Mix", "Almonds",
    ),
}  # fmt: skip

#: What a department's products are made of or good for.
FEATURES: dict[str, tuple[str, ...]] = {
    "Outdoors": (
        "Ultralight",
        "Waterproof",
        "Two-Person",
        "Merino",
        "Folding",
        "Windproof",
        "Alpine",
        "Trail",
    ),
    "Kitchen": (
        "Stainless Steel",
        "Cast Iron",
        "Nonstick",
        "Ceramic",
        "Bamboo",
        "Copper",
        "Glass",
        "Electric",
    ),
    "Audio": ("Wireless", "Noise-Cancelling", "Studio", "Portable", "Stereo", "Tube", "Bass", "Digital"),
    "Beauty": ("Lavender", "Aloe", "Rose", "Coconut", "Unscented", "Vitamin C", "Charcoal", "Mint"),
    "Garden": (
        "Galvanized",
        "Terracotta",
        "Cedar",
        "Self-Watering",
        "Cordless",
        "Long-Handled",
        "Patio",
        "Heirloom",
    ),
    "Toys": ("Wooden", "Magnetic", "Glow-in-the-Dark", "Dinosaur", "Space", "Farm", "Pirate", "Rainbow"),
    "Pets": (
        "Orthopedic",
        "Grain-Free",
        "Reflective",
        "Washable",
        "Small Breed",
        "Indoor",
        "Salmon",
        "Quilted",
    ),
    "Office": ("Dotted", "Leather", "Adjustable", "Mesh", "Ergonomic", "Recycled", "Gel", "Hardcover"),
    "Fitness": ("Non-Slip", "Cork", "Weighted", "Insulated", "Breathable", "Carbon", "Quick-Dry", "Speed"),
    "Pantry": (
        "Extra Virgin",
        "Fair Trade",
        "Roasted",
        "Whole Grain",
        "Raw",
        "Spicy",
        "Single-Origin",
        "Salted",
    ),
}

#: Style -> the words that betray it in a title; a shopper with this taste sees them again and again.
STYLES: dict[str, tuple[str, ...]] = {
    "classic": ("Heritage", "Classic", "Vintage", "Traditional", "Original", "Timeless"),
    "modern": ("Slim", "Smart", "Minimal", "Compact", "Matte", "Pro"),
    "natural": ("Organic", "Eco", "Natural", "Pure", "Earth", "Simple"),
    "playful": ("Colorful", "Happy", "Mini", "Fun", "Bright", "Jolly"),
}

#: What may stand after the noun.
VARIANTS: tuple[str, ...] = (
    "Set of 2", "Set of 4", "Large", "Small", "Black", "Blue", "Green", "Red", "White", "Gray", "2-Pack",
    "Deluxe Edition", "500 ml", "12 oz", "Travel Size", "Gift Box", "Refill", "Medium", "XL", "Navy",
)  # fmt: skip

#: Invented brand names are one head and one tail (32 x 20 = 640).
BRAND_HEADS: tuple[str, ...] = (
    "North", "Luma", "Oak", "Silver", "Brook", "Vera", "Stone", "Kora", "Maple", "Fern", "Harbor", "Nova",
    "Alder", "Pine", "Cinder", "Willow", "Tam", "Birch", "Sol", "Mira", "Copper", "Elder", "Frost", "Juniper",
    "Lark", "Meadow", "Orchard", "Quill", "River", "Summit", "Thistle", "Umber",
)  # fmt: skip
BRAND_TAILS: tuple[str, ...] = (
    "peak", "well", "field", "wood", "ware", "craft", "line", "works", "ridge", "haven", "lane", "ton",
    "dale", "mark", "way", "house", "land", "ora", "ica", "ell",
)  # fmt: skip

#: Common English words, so that the tokenizer can spell titles of other catalogues in few pieces.
COMMON: tuple[str, ...] = tuple(
    """the of and to in is for with on as at by from it that this be are was have has not you your we our can
    will one two three four five six seven eight nine ten first second last new old big little long
    short high low great good best better more most less all any each every other another some many few
    own same such only time year day week month night morning evening hour minute home house room door
    window table chair bed floor wall garden street city town village country world earth sun moon star
    sky sea ocean river lake mountain forest tree flower leaf grass stone rock sand fire water air wind
    rain snow ice storm light dark shadow color red orange yellow green blue purple black white brown
    gold golden silver bronze iron steel man woman boy girl child children people person family mother
    father brother sister son daughter friend king queen prince princess knight warrior soldier hero
    legend story tale history book page word letter name number game play player edition collection
    complete special limited deluxe ultimate super mega ultra power force war battle fight attack
    defense mission quest adventure journey road path trail way return revenge rise fall fallen lost
    hidden secret sacred ancient forgotten eternal final fantasy dragon dungeon monster ghost demon
    angel magic wizard witch sword shield emblem crown castle kingdom empire island treasure pirate
    space galaxy planet alien robot machine engine racing race speed driver car truck train plane flight
    football soccer baseball basketball tennis golf hockey wrestling boxing sports league championship
    team music song dance band rock guitar piano drum sound voice radio record movie film theater art
    paint draw design style fashion beauty hair skin face body eye lip nail hand foot cream gel lotion
    oil spray wash clean fresh pure natural organic soft smooth dry wet hot cold warm cool bright
    brightening clear shine repair protect treatment therapy formula daily care kit set pack piece pair
    size small medium large extra free full half double triple single multi mini micro wireless portable
    digital electric battery charger cable case cover screen memory card drive disc player console
    controller system video audio camera phone computer keyboard mouse printer software office school
    work business money price value quality premium professional classic modern vintage original
    traditional simple easy quick fast slow strong heavy light coffee tea sugar salt pepper chocolate
    vanilla honey milk bread rice fruit apple lemon orange cherry berry banana coconut almond peanut
    butter cheese meat fish chicken egg soup sauce kitchen cook bake grill pan pot knife fork spoon cup
    glass bottle box bag basket dog cat bird horse bear wolf lion tiger fox rabbit baby kids toy doll
    puzzle learn learning teach teacher student science math language guide manual practice volume part
    chapter season episode series love life death heart soul mind dream hope fear joy peace happy sad
    angry beautiful pretty strange wild crazy funny silent quiet broken burning frozen flying dead
    living evil holy royal american english french german italian spanish japanese chinese european
    north south east west northern southern eastern western spring summer autumn winter christmas
    holiday party wedding birthday gift card police crime murder mystery detective doctor hospital nurse
    law order justice under over above below inside outside between behind before after during without
    within through against about into upon off out up down back front left right away again never always
    ever once then now here there what who when where why how which while until because and or but if so
    than too very just also even make made making take taking give giving get getting go going come
    coming see seeing look looking find finding keep keeping let put run running walk walking stand
    standing sit build building break breaking open opening close closing start starting stop end ending
    begin beginning live survive escape hunt hunter chase catch kill killer save saving dance dancer
    sing singer ride rider drive fly swim jump shoot shooter version remastered anniversary trilogy
    chronicles tactics strategy simulator tycoon arcade classics resident evil metal gear solid duty
    call honor medal halo zone point line cross edge blade bullet shampoo conditioner serum moisturizer
    cleanser mask polish brush comb razor shave deodorant perfume fragrance lipstick mascara eyeliner
    foundation powder blush concealer vitamin mineral collagen acid ounce inch foot pound gram liter
    milliliter count tablet capsule bar stick tube jar refill travel""".split()  # noqa: SIM905
)
