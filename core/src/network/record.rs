//! A network's record, and those of the containers in it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use rusqlite::types::{Type, Value};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use sha2::{Digest, Sha256};

use super::subnet::{Address, Subnet};
use crate::api::{EndpointSettings, IpamConfig, NetworkCreate};
use crate::error::{Error, Result};
use crate::id;
use crate::store::document::{array, document, text};

/// What is recorded about a network.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// 64 hexadecimal digits.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) driver: String,
    /// Nanoseconds since 1970.
    pub(crate) created: i64,
    /// What was asked for.
    pub(crate) document: NetworkCreate,
    /// Its addresses, where it has any.
    pub(crate) range: Option<Range>,
    pub(crate) range6: Option<Range<Ipv6Addr>>,
    /// Its removal has begun.
    pub(crate) removing: bool,
}

/// The addresses of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range<A = Ipv4Addr> {
    pub(crate) subnet: Subnet<A>,
    /// The host's.
    pub(crate) gateway: A,
}

/// The columns that are about a family of addresses.
pub(super) trait Columns: Address {
    /// Of networks: the place in the range of what was given last.
    const LAST: &'static str;
    /// Of endpoints.
    const ADDRESS: &'static str;

    fn value(self) -> Value;
}

impl Columns for Ipv4Addr {
    const LAST: &'static str = "last";
    const ADDRESS: &'static str = "address";

    fn value(self) -> Value {
        Value::Integer(self.to_bits().into())
    }
}

impl Columns for Ipv6Addr {
    const LAST: &'static str = "last6";
    const ADDRESS: &'static str = "address6";

    fn value(self) -> Value {
        Value::Text(self.to_string())
    }
}

const COLUMNS: &str =
    "id, name, driver, created, document, subnet, gateway, subnet6, gateway6, removing";

impl Record {
    /// What was asked for about the addresses of a family.
    pub(super) fn asked<A: Address>(&self) -> Option<&IpamConfig> {
        let mut asked = self.document.ipam.config.iter();
        asked.find(|config| config.subnet.contains(':') == (A::BITS == 128))
    }

    /// The host's address in it: that of IPv4, where it has both.
    pub(super) fn gateway(&self) -> Option<IpAddr> {
        let v4 = self.range.map(|range| range.gateway.into());
        v4.or_else(|| self.range6.map(|range| range.gateway.into()))
    }

    /// Write the row, unless there is one of that name. Whether it was written.
    pub(super) fn insert(&self, transaction: &Transaction<'_>) -> Result<bool> {
        let rows = transaction
            .prepare_cached(
                "INSERT INTO networks (id, name, driver, created, document, subnet, gateway, subnet6, gateway6)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (name) DO NOTHING",
            )?
            .execute(params![
                self.id,
                self.name,
                self.driver,
                self.created,
                text(&self.document)?,
                self.range.map(|range| range.subnet.to_string()),
                self.range.map(|range| range.gateway.value()),
                self.range6.map(|range| range.subnet.to_string()),
                self.range6.map(|range| range.gateway.value()),
            ])?;
        Ok(rows == 1)
    }

    /// All records, by name.
    pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<Record>> {
        connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM networks ORDER BY name"))?
            .query_map([], Record::from_row)?
            .collect()
    }

    /// The record with this id.
    pub(super) fn find(connection: &Connection, id: &str) -> rusqlite::Result<Option<Record>> {
        connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM networks WHERE id = ?1"))?
            .query_row([id], Record::from_row)
            .optional()
    }

    /// The record of this name.
    pub(super) fn named(connection: &Connection, name: &str) -> rusqlite::Result<Option<Record>> {
        connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM networks WHERE name = ?1"))?
            .query_row([name], Record::from_row)
            .optional()
    }

    /// Those whose id begins with this; two at most.
    pub(super) fn beginning(
        connection: &Connection,
        prefix: &str,
    ) -> rusqlite::Result<Vec<Record>> {
        // 'g' sorts after every digit.
        connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM networks WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id LIMIT 2"
            ))?
            .query_map([prefix], Record::from_row)?
            .collect()
    }

    /// The ids of those whose removal has begun.
    pub(super) fn removing(connection: &Connection) -> rusqlite::Result<Vec<String>> {
        connection
            .prepare_cached("SELECT id FROM networks WHERE removing ORDER BY name")?
            .query_map([], |row| row.get(0))?
            .collect()
    }

    /// Mark it as going, or no longer.
    pub(super) fn mark(transaction: &Transaction<'_>, id: &str, removing: bool) -> Result<()> {
        transaction
            .prepare_cached("UPDATE networks SET removing = ?2 WHERE id = ?1")?
            .execute(params![id, removing])?;
        Ok(())
    }

    /// Delete the row, if it is marked. Whether it was.
    pub(super) fn delete(transaction: &Transaction<'_>, id: &str) -> Result<bool> {
        let rows = transaction
            .prepare_cached("DELETE FROM networks WHERE id = ?1 AND removing")?
            .execute([id])?;
        Ok(rows == 1)
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Record> {
        let gateway: Option<u32> = row.get(6)?;
        let range = match (row.get::<_, Option<String>>(5)?, gateway) {
            (Some(text), Some(gateway)) => {
                Some(Range { subnet: subnet(5, &text)?, gateway: Ipv4Addr::from_bits(gateway) })
            }
            _ => None,
        };
        let range6 = match (row.get::<_, Option<String>>(7)?, parsed(row, 8)?) {
            (Some(text), Some(gateway)) => Some(Range { subnet: subnet(7, &text)?, gateway }),
            _ => None,
        };
        Ok(Record {
            id: row.get(0)?,
            name: row.get(1)?,
            driver: row.get(2)?,
            created: row.get(3)?,
            document: document(row, 4)?,
            range,
            range6,
            removing: row.get(9)?,
        })
    }
}

fn subnet<A: Address>(column: usize, text: &str) -> rusqlite::Result<Subnet<A>> {
    Subnet::parse(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.message().into())
    })
}

/// What is in a column as text.
fn parsed<T: FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    let Some(text) = row.get::<_, Option<String>>(column)? else { return Ok(None) };
    text.parse().map(Some).map_err(|_| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, format!("{text:?}").into())
    })
}

/// A container's place in a network.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) container: String,
    pub(crate) network: String,
    /// The container's interface there is `eth0`, `eth1` and so on.
    pub(crate) position: u32,
    /// What was asked for.
    pub(crate) settings: EndpointSettings,
    /// Where the network has any of that kind, as most have.
    pub(crate) address: Option<Ipv4Addr>,
    /// Likewise.
    pub(crate) address6: Option<Ipv6Addr>,
}

const ENDPOINT: &str = "container_id, network_id, position, settings, address, address6";

impl Endpoint {
    /// 64 hexadecimal digits. They follow from whose it is, so that what has its name can be found again.
    pub(crate) fn id(&self) -> String {
        id::hex(&Sha256::digest(format!("{} {}", self.container, self.network)))
    }

    /// Its addresses, of both families.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> + use<> {
        let addresses = [self.address.map(IpAddr::V4), self.address6.map(IpAddr::V6)];
        addresses.into_iter().flatten()
    }

    /// Its Ethernet address: docker's way to make one that nobody else in the network has.
    pub(crate) fn mac(&self) -> Result<[u8; 6]> {
        if !self.settings.mac_address.is_empty() {
            return super::endpoint::mac(&self.settings.mac_address);
        }
        let [a, b, c, d] = match (self.address, self.address6) {
            (Some(address), _) => address.octets(),
            // The end of it is what differs.
            (None, Some(address)) => (address.to_bits() as u32).to_be_bytes(),
            (None, None) => return Err(Error::internal("a place in a network without addresses")),
        };
        Ok([0x02, 0x42, a, b, c, d])
    }

    /// Write the row.
    pub(super) fn insert(&self, transaction: &Transaction<'_>) -> Result<()> {
        transaction
            .prepare_cached(&format!(
                "INSERT INTO endpoints ({ENDPOINT}) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
            ))?
            .execute(params![
                self.container,
                self.network,
                self.position,
                text(&self.settings)?,
                self.address.map(Columns::value),
                self.address6.map(Columns::value),
            ])?;
        Ok(())
    }

    /// Delete the row. Whether there was one.
    pub(super) fn delete(
        transaction: &Transaction<'_>,
        container: &str,
        network: &str,
    ) -> Result<bool> {
        let rows = transaction
            .prepare_cached("DELETE FROM endpoints WHERE container_id = ?1 AND network_id = ?2")?
            .execute([container, network])?;
        Ok(rows == 1)
    }

    /// Those of a container, in their order.
    pub(super) fn of_container(
        connection: &Connection,
        container: &str,
    ) -> rusqlite::Result<Vec<Endpoint>> {
        connection
            .prepare_cached(&format!(
                "SELECT {ENDPOINT} FROM endpoints WHERE container_id = ?1 ORDER BY position"
            ))?
            .query_map([container], Endpoint::from_row)?
            .collect()
    }

    /// Those of these containers, of each in their order.
    pub(super) fn of_containers(
        connection: &Connection,
        containers: &[&str],
    ) -> rusqlite::Result<Vec<Endpoint>> {
        if let [container] = containers {
            return Endpoint::of_container(connection, container);
        }
        connection
            .prepare_cached(&format!(
                "SELECT {ENDPOINT} FROM json_each(?1) CROSS JOIN endpoints ON container_id = value
                 ORDER BY position"
            ))?
            .query_map([array(containers)?], Endpoint::from_row)?
            .collect()
    }

    /// Those of a container, in their order, each with its network; `None`: that was removed.
    pub(super) fn with_networks(
        connection: &Connection,
        container: &str,
    ) -> rusqlite::Result<Vec<(Option<Record>, Endpoint)>> {
        let endpoints = Endpoint::of_container(connection, container)?.into_iter();
        endpoints
            .map(|endpoint| Ok((Record::find(connection, &endpoint.network)?, endpoint)))
            .collect()
    }

    /// Those in a network, each with its container's name.
    pub(super) fn in_network(
        connection: &Connection,
        network: &str,
    ) -> rusqlite::Result<Vec<(Endpoint, String)>> {
        connection
            .prepare_cached(&format!(
                "SELECT {ENDPOINT}, containers.name FROM endpoints JOIN containers ON id = container_id
                 WHERE network_id = ?1 ORDER BY containers.name"
            ))?
            .query_map([network], |row| Ok((Endpoint::from_row(row)?, row.get(6)?)))?
            .collect()
    }

    /// The networks that containers are in.
    pub(super) fn networks(connection: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
        connection
            .prepare_cached("SELECT container_id, network_id FROM endpoints")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
    }

    /// Whether an address is somebody's.
    pub(super) fn has<A: Columns>(
        connection: &Connection,
        network: &str,
        address: A,
    ) -> rusqlite::Result<bool> {
        let column = A::ADDRESS;
        connection
            .prepare_cached(&format!(
                "SELECT 1 FROM endpoints WHERE network_id = ?1 AND {column} = ?2"
            ))?
            .exists(params![network, address.value()])
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Endpoint> {
        Ok(Endpoint {
            container: row.get(0)?,
            network: row.get(1)?,
            position: row.get(2)?,
            settings: document(row, 3)?,
            address: row.get::<_, Option<u32>>(4)?.map(Ipv4Addr::from_bits),
            address6: parsed(row, 5)?,
        })
    }
}
